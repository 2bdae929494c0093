import { once } from 'node:events';
import { existsSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { request } from '../../support/client.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { until } from '../../support/until.ts';
import { appRoute, host, hostRoute, tenant } from './edge-under-test.ts';
import { type FakeDaemon, isAlive, type MasterUnderTest, startMaster } from './master-under-test.ts';
import { connectRaw } from './raw-client.ts';

const limits = generousLimits;
const tls = { redirect: true, hstsSeconds: 0 };
const globex = 'globex' as TenantName;
const site = 'site' as AppName;
const get = `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

function sendRoutes({ channel }: FakeDaemon): void {
  const app = { app: 'web', state: 'stopped', upstreams: [], release: 'local', compress: false };
  channel.notify('snapshot-begin', {});
  channel.notify('set-tenant', {
    ...{ tenant, hosts: [hostRoute(host)], apps: [appRoute('ready', ['one'])], limits, tls },
    grants: [{ to: globex, app: site }],
  });
  channel.notify('set-tenant', { tenant: globex, hosts: [], apps: [app], limits, tls });
  channel.notify('snapshot-end', {});
}

const accepts = async ({ channel }: FakeDaemon): Promise<boolean> =>
  ((await channel.request('await-accepting', { timeoutMs: 20_000 })) as { accepting: boolean }).accepting;

interface Serving {
  master: MasterUnderTest;
  daemon: FakeDaemon;
}

/** With an app that answers at once, or below /late when it is told to. */
async function startServing(): Promise<Serving & { finish: () => void }> {
  const master = await startMaster();
  master.makeGateway('globex/web');
  const late: http.ServerResponse[] = [];
  await master.app(
    'one',
    (asked, response) => void (asked.url === '/late' ? late.push(response) : response.end('ok')),
    (socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
      socket.pipe(socket);
    },
  );
  const daemon = await master.startDaemon();
  sendRoutes(daemon);
  expect(await accepts(daemon)).toBe(true);
  return { master, daemon, finish: () => late.forEach((response) => response.end('late')) };
}

/** Its edges accept beside those of the one before. */
async function startNext({ master, daemon }: Serving): Promise<Serving> {
  const next = master.startNext();
  const nextDaemon = await next.startDaemon();
  await nextDaemon.channel.request('take-over', await daemon.channel.request('hand-over', {}));
  sendRoutes(nextDaemon);
  expect(await accepts(nextDaemon)).toBe(true);
  return { master: next, daemon: nextDaemon };
}

const retire = ({ channel }: FakeDaemon, timeoutMs = 60_000): Promise<unknown> => channel.request('retire', { timeoutMs });

describe('a master that retires', () => {
  test('takes no new connection, answers once more on those that wait, and ends by itself', async () => {
    const first = await startServing();
    const idle = await connectRaw(first.master.port);
    idle.send(get);
    await idle.seen(/ok$/);
    const untried = await connectRaw(first.master.port);
    await retire(first.daemon);
    // The socket listens on: it is there for the next one.
    const unheard = await connectRaw(first.master.port);
    unheard.send(get);
    for (const client of [idle, untried]) {
      client.send(get);
      expect(await client.closed()).toMatch(/connection: close[^]*ok$/i);
    }
    expect(await first.master.exited).toEqual([0, null]);
    expect(unheard.text()).toBe('');
  });

  test('lets what is open go on: answers, tunnels and what was promised to a connection', async () => {
    const first = await startServing();
    const { port } = first.master;
    const late = request(port, { host, path: '/late' });
    const tunnel = await connectRaw(port);
    tunnel.send(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`);
    await tunnel.seen(/101/);
    await until(async () => !(await isDrained(first.daemon)), 'the request is open');
    await retire(first.daemon);
    tunnel.send('still there');
    await tunnel.seen(/still there$/);
    expect(await isDrained(first.daemon)).toBe(false);
    first.finish();
    expect((await late).text).toBe('late');
    await until(() => isDrained(first.daemon), 'nothing is open at the app but a tunnel');
    tunnel.socket.destroy();
    expect(await first.master.exited).toEqual([0, null]);
  });

  test('ends sooner when it is asked to', async () => {
    const first = await startServing();
    const tunnel = await connectRaw(first.master.port);
    tunnel.send(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`);
    await tunnel.seen(/101/);
    await retire(first.daemon);
    await first.daemon.channel.request('shutdown', { timeoutMs: 50 });
    await tunnel.closed();
    expect(await first.master.exited).toEqual([0, null]);
  });

  test('leaves the place to the next one: no connection is refused meanwhile', async () => {
    const first = await startServing();
    const statuses: number[] = [];
    const done = new AbortController();
    const load = (async () => {
      while (!done.signal.aborted) statuses.push(await fetchThat(first.master.port));
    })();
    const next = await startNext(first);
    await retire(first.daemon);
    await first.master.exited;
    const sofar = statuses.length;
    await until(() => statuses.length > sofar, 'the next one answers');
    done.abort();
    await load;
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(next.master.edgePids().every(isAlive)).toBe(true);
  });
});

describe('a master that takes the place of another', () => {
  test('has its keys, and the challenges that stand', async () => {
    const first = await startServing();
    const path = '/.well-known/tenantd/jwks.json';
    const keys = (await request(first.master.port, { host, path })).text;
    const challenge = { type: 'http-01', host, token: 'abc', keyAuthorization: 'abc.def' };
    await first.daemon.channel.request('set-challenge', challenge);
    await startNext(first);
    await retire(first.daemon);
    expect((await request(first.master.port, { host, path })).text).toBe(keys);
    expect((await request(first.master.port, { host, path: '/.well-known/acme-challenge/abc' })).text).toBe('abc.def');
  });

  test('leaves the gateways alone until it is told to take them, and no call is refused', async () => {
    const first = await startServing();
    const path = first.master.gateway('globex/web');
    await until(() => existsSync(path), 'the gateway is there');
    const next = await startNext(first);
    const callTaken = call(path, '/late');
    await until(async () => !(await isDrained(first.daemon)), 'it is the first one that was called');
    await next.daemon.channel.request('take-calls', {});
    const [, text] = await Promise.all([retire(first.daemon), call(path, '/')]);
    expect(text).toBe('ok');
    first.finish();
    expect(await callTaken).toBe('late');
    await first.master.exited;
    expect(await call(path, '/')).toBe('ok');
  });

  test('is not there when one of its edges ends before it accepts', async () => {
    const first = await startServing();
    const next = first.master.startNext();
    const daemon = await next.startDaemon();
    await until(() => next.edgePids().length === 1, 'its edge is started');
    const [pid = 0] = next.edgePids();
    const accepting = accepts(daemon);
    // One request after another: it has the one before.
    await isDrained(daemon);
    process.kill(pid, 'SIGKILL');
    expect(await accepting).toBe(false);
    expect(await fetchThat(first.master.port)).toBe(200);
  });
});

async function fetchThat(port: number): Promise<number> {
  return (await request(port, { host })).status;
}

async function isDrained({ channel }: FakeDaemon): Promise<boolean> {
  return ((await channel.request('drain-upstream', { id: 'site.one', timeoutMs: 20 })) as { drained: boolean }).drained;
}

async function call(socketPath: string, path: string): Promise<string> {
  const socket = net.connect(socketPath);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: site.acme.internal\r\nConnection: close\r\n\r\n`);
  await once(socket, 'connect');
  let text = '';
  for await (const chunk of socket.setEncoding('latin1')) text += String(chunk);
  return text.split('\r\n\r\n')[1] ?? '';
}
