import { once } from 'node:events';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import type { TenantGrant } from '../../../src/protocol/edge.ts';
import { request } from '../../support/client.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { until } from '../../support/until.ts';
import { appRoute, host, hostRoute, tenant } from './edge-under-test.ts';
import { type FakeDaemon, isAlive, type MasterUnderTest, startMaster } from './master-under-test.ts';

const globex = 'globex' as TenantName;
const site = 'site' as AppName;
const [web, batch] = ['web', 'batch'] as AppName[];
const grant: TenantGrant = { to: globex, app: site };
const limits = generousLimits;
const tls = { redirect: true, hstsSeconds: 0 };

/** acme has the app `site`, globex has `web` and `batch`, hooli has `web`. */
function setAcme({ channel }: FakeDaemon, grants: TenantGrant[]): void {
  channel.notify('set-tenant', { tenant, hosts: [hostRoute(host)], apps: [appRoute('ready', ['one'])], limits, tls, grants });
}

function sendAll(daemon: FakeDaemon, grants: TenantGrant[]): void {
  const stopped = (app: AppName | undefined) => ({ app, state: 'stopped', upstreams: [], release: 'local', compress: false });
  daemon.channel.notify('snapshot-begin', {});
  setAcme(daemon, grants);
  daemon.channel.notify('set-tenant', { tenant: globex, hosts: [], apps: [stopped(web), stopped(batch)], limits, tls });
  daemon.channel.notify('set-tenant', { tenant: 'hooli', hosts: [], apps: [stopped(web)], limits, tls });
  daemon.channel.notify('snapshot-end', {});
}

interface Called {
  status: number;
  text: string;
}

async function call(socketPath: string, headers: http.OutgoingHttpHeaders, path = '/'): Promise<Called> {
  const asked = http.request({ socketPath, path, headers, agent: false }).end();
  const [response] = (await once(asked, 'response')) as [http.IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  return { status: response.statusCode ?? 0, text };
}

const toSite = { host: 'site.acme.internal' };

/** All that comes until the connection is closed. */
async function askRaw(at: { path: string } | { port: number }, head: string): Promise<string> {
  const socket = net.connect(at);
  socket.write(head);
  let text = '';
  for await (const chunk of socket.setEncoding('latin1')) text += String(chunk);
  return text;
}

async function openTunnel(path: string): Promise<net.Socket> {
  await until(() => existsSync(path), 'the gateway is there');
  const tunnel = net.connect(path).on('error', () => {});
  tunnel.write('GET / HTTP/1.1\r\nHost: site.acme.internal\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  await once(tunnel, 'data');
  return tunnel;
}

function openSocketsOf(pid: number): number {
  const names = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
  return names.filter((name) => name.startsWith('socket:')).length;
}

function linkOf(path: string): string[] {
  try {
    return [readlinkSync(path)];
  } catch {
    return []; // closed meanwhile
  }
}

/** An app that answers with the fields it was sent, or opens a tunnel; below /cut, its answer is not whole. */
function describeRequest(asked: http.IncomingMessage, response: http.ServerResponse): void {
  if (asked.url === '/cut') {
    response.writeHead(200, { 'content-length': 1_000 });
    response.write('some');
    setImmediate(() => response.destroy());
    return;
  }
  response.end(JSON.stringify(asked.headers));
}

async function startWithGrants(grants: TenantGrant[], edges = 2): Promise<{ master: MasterUnderTest; daemon: FakeDaemon }> {
  const master = await startMaster(edges);
  for (const caller of ['globex/web', 'globex/batch', 'hooli/web']) master.makeGateway(caller);
  await master.app('one', describeRequest, (socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
    socket.pipe(socket);
  });
  const daemon = await master.startDaemon();
  sendAll(daemon, grants);
  await until(async () => (await request(master.port, { host }).catch(() => undefined))?.status === 200, 'the edges answer');
  return { master, daemon };
}

describe('a gateway', () => {
  test('leads to what was granted, and tells who calls, whatever the caller says', async () => {
    const { master } = await startWithGrants([grant]);
    for (const app of ['web', 'batch']) {
      const forged = { 'x-tenantd-caller': 'acme/site', x_tenantd_caller: 'acme/site', 'x-forwarded-for': '127.0.0.1' };
      const { status, text } = await call(master.gateway(`globex/${app}`), { ...toSite, ...forged }, '/deep?x=1');
      expect(status).toBe(200);
      const seen = JSON.parse(text) as Record<string, string>;
      const told = {
        'x-tenantd-caller': `globex/${app}`,
        'x-forwarded-for': 'unknown',
        'x-tenantd-tenant': 'acme',
        'x-tenantd-app': 'site',
      };
      expect(seen).toMatchObject(told);
      expect(Object.keys(seen).filter((name) => name.includes('_'))).toEqual([]);
      const claims = JSON.parse(Buffer.from(seen['x-tenantd-context']?.split('.')[1] ?? '', 'base64url').toString()) as object;
      expect(claims).toMatchObject({ aud: 'acme/site', tenant: 'acme', app: 'site', host: 'site.acme.internal', caller: `globex/${app}` });
    }
    const { text } = await request(master.port, { host });
    expect(JSON.parse(text)).not.toHaveProperty('x-tenantd-caller');
  });

  test('leads nowhere else: not to other apps, other tenants, its own, or public hosts', async () => {
    const { master } = await startWithGrants([grant]);
    const hosts = ['other.acme.internal', 'site.hooli.internal', 'web.globex.internal', host, 'acme.internal'];
    const tried = [
      'x.site.acme.internal',
      'site.acme.internal.evil.test',
      '.acme.internal',
      'site..internal',
      'localhost',
      '__proto__.acme.internal',
    ];
    for (const name of [...hosts, ...tried]) {
      const { status } = await call(master.gateway('globex/web'), { host: name });
      expect({ name, status }).toEqual({ name, status: 403 });
    }
  });

  test('takes the host of a target in absolute form, and calls nothing over what was pipelined behind a refusal', async () => {
    const { master } = await startWithGrants([grant]);
    const path = master.gateway('globex/web');
    await until(() => existsSync(path), 'the gateway is there');
    const heads = [
      `GET http://${host}/ HTTP/1.1\r\nHost: site.acme.internal\r\nConnection: close\r\n\r\n`,
      `GET http://site.acme.internal/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      'GET / HTTP/1.0\r\nHost: site.acme.internal\r\n\r\n',
      'GET / HTTP/1.0\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: site.acme.internal\r\nHost: other.acme.internal\r\n\r\nGET / HTTP/1.1\r\nHost: site.acme.internal\r\n\r\n',
    ];
    const statuses = await Promise.all(heads.map(async (head) => (await askRaw({ path }, head)).match(/(?<=^HTTP\/1.1 )\d+/gm)));
    expect(statuses).toEqual([['403'], ['200'], ['200'], ['403'], ['400']]);
    const absolute = 'GET http://site.acme.internal/ HTTP/1.1\r\nHost: acme.test\r\nConnection: close\r\n\r\n';
    expect(await askRaw({ port: master.port }, absolute)).toMatch(/^HTTP\/1.1 421 /);
  });

  test('is there for no tenant without a grant, and no name of a grant is a public host', async () => {
    const { master } = await startWithGrants([grant]);
    await until(() => existsSync(master.gateway('globex/web')), 'the gateway is there');
    expect(existsSync(master.gateway('hooli/web'))).toBe(false);
    expect((await request(master.port, toSite)).status).toBe(421);
  });

  test('closes at once when the grant is taken back, with what goes on over it, and opens at once when it is given', async () => {
    const { master, daemon } = await startWithGrants([grant]);
    const path = master.gateway('globex/web');
    const tunnel = net.connect(path);
    tunnel.write('GET / HTTP/1.1\r\nHost: site.acme.internal\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    await once(tunnel, 'data');
    const closed = once(tunnel, 'close');
    tunnel.on('error', () => {});
    setAcme(daemon, [{ to: 'hooli' as TenantName, app: site }]);
    await closed;
    await until(() => !existsSync(path) && existsSync(master.gateway('hooli/web')), 'the sockets are those of the grants now');
    expect((await call(master.gateway('hooli/web'), toSite)).status).toBe(200);
    setAcme(daemon, [grant]);
    await until(() => existsSync(path), 'the gateway is back');
    expect((await call(path, toSite)).status).toBe(200);
  });

  test('ends what goes on over a grant that is taken back, and nothing that goes on over another', async () => {
    const both: TenantGrant[] = [grant, { to: 'hooli' as TenantName, app: site }];
    const { master, daemon } = await startWithGrants(both);
    const [kept, ended] = [await openTunnel(master.gateway('globex/web')), await openTunnel(master.gateway('hooli/web'))];
    const closed = once(ended, 'close');
    setAcme(daemon, [grant]);
    await closed;
    kept.write('still here');
    expect(String((await once(kept, 'data'))[0])).toBe('still here');
    kept.destroy();
  });

  test('shows a caller that its answer was cut, and no edge ends by it', async () => {
    const { master } = await startWithGrants([grant]);
    const pids = master.edgePids();
    for (const path of ['/cut', '/cut', '/cut']) await expect(call(master.gateway('globex/web'), toSite, path)).rejects.toThrow('aborted');
    expect((await call(master.gateway('globex/web'), toSite)).status).toBe(200);
    expect(master.edgePids()).toEqual(pids);
  });

  test('that is flooded by one tenant goes on serving the others', async () => {
    const both: TenantGrant[] = [grant, { to: 'hooli' as TenantName, app: site }];
    const { master } = await startWithGrants(both);
    await until(() => existsSync(master.gateway('hooli/web')), 'the gateway is there');
    const flood = Array.from({ length: 6_000 }, () => net.connect(master.gateway('hooli/web')).on('error', () => {}));
    const closed = new Set<net.Socket>();
    for (const socket of flood) socket.resume().on('close', () => closed.add(socket));
    for (let round = 0; round < 20; round++) expect((await call(master.gateway('globex/web'), toSite)).status).toBe(200);
    // Each of two edges keeps 1,024 of a tenant.
    await until(() => closed.size >= 6_000 - 2 * 1_024, 'the rest is closed');
    expect((await call(master.gateway('globex/web'), toSite)).status).toBe(200);
    for (const socket of flood) socket.destroy();
  });

  test('loses no more than one call to an edge that hung and is killed', async () => {
    const { master } = await startWithGrants([grant], 1);
    await until(() => existsSync(master.gateway('globex/web')), 'the gateway is there');
    const [edge = 0] = master.edgePids();
    process.kill(edge, 'SIGSTOP');
    const calls = Array.from({ length: 50 }, () => call(master.gateway('globex/web'), toSite));
    // All of them are connected, so taken by the master.
    await until(() => openSocketsOf(master.process.pid ?? 0) > 40, 'the master has them');
    process.kill(edge, 'SIGKILL');
    const ended = await Promise.allSettled(calls);
    expect(ended.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThanOrEqual(49);
  });

  test('leaves no socket when the master is told to end', async () => {
    const { master } = await startWithGrants([grant]);
    const path = master.gateway('globex/web');
    await until(() => existsSync(path), 'the gateway is there');
    master.process.kill('SIGTERM');
    await master.exited;
    expect(existsSync(path)).toBe(false);
  });

  test('refuses no call when the edges are killed, and counts what was asked over it', async () => {
    const { master, daemon } = await startWithGrants([grant]);
    const path = master.gateway('globex/web');
    await until(() => existsSync(path), 'the gateway is there');
    for (let round = 0; round < 3; round++) {
      const pids = master.edgePids();
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      await until(() => !pids.some(isAlive), 'the edges are dead');
      expect((await call(path, toSite)).status).toBe(200);
    }
    const counted = (): number =>
      daemon.heard.flatMap(({ method, params }) => (method === 'grant-use' ? (params as { uses: { requests: number }[] }).uses : []))
        .length;
    await until(() => counted() > 0, 'the use was told');
    expect(daemon.heard.find(({ method }) => method === 'grant-use')?.params).toMatchObject({
      uses: [{ tenant: 'acme', app: 'site', caller: 'globex', callerApp: 'web' }],
    });
  });
});
