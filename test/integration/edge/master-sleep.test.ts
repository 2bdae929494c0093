import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { request } from '../../support/client.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { until } from '../../support/until.ts';
import { appRoute, host, hostRoute, tenant } from './edge-under-test.ts';
import { type FakeDaemon, isAlive, type MasterUnderTest, startMaster } from './master-under-test.ts';
import { connectRaw, get, type RawClient } from './raw-client.ts';

interface World {
  master: MasterUnderTest;
  daemon: FakeDaemon;
  /** Requests for anything but `/`, which the test answers. */
  open: ServerResponse[];
}

const site = { tenant, app: 'site' };

function sendRoutes({ channel }: FakeDaemon): void {
  channel.notify('snapshot-begin', {});
  channel.notify('set-tenant', {
    ...{ tenant, hosts: [hostRoute(host)], apps: [appRoute('ready', ['one'])] },
    ...{ limits: generousLimits, tls: { redirect: true, hstsSeconds: 0 } },
  });
  channel.notify('snapshot-end', {});
}

const isServed = ({ port }: MasterUnderTest): Promise<boolean> =>
  request(port, { host }).then(
    ({ text }) => text === 'at once',
    () => false,
  );

async function startServing(processes: number): Promise<World> {
  const master = await startMaster(processes);
  const open: ServerResponse[] = [];
  await master.app('one', (incoming, response) => void (incoming.url === '/' ? response.end('at once') : open.push(response)));
  const daemon = await master.startDaemon();
  sendRoutes(daemon);
  await until(() => isServed(master), 'the edges answer');
  return { master, daemon, open };
}

async function letSleep({ channel }: FakeDaemon): Promise<boolean> {
  return ((await channel.request('let-sleep', site)) as { asleep: boolean }).asleep;
}

const told = ({ heard }: FakeDaemon, method: string): unknown[] =>
  heard.filter((message) => message.method === method).map(({ params }) => params);

const setApp = ({ channel }: FakeDaemon, ...route: Parameters<typeof appRoute>): void =>
  channel.notify('set-app', { tenant, ...appRoute(...route) });

async function sendSlow({ master, open }: World): Promise<RawClient> {
  const known = open.length;
  const client = await connectRaw(master.port);
  client.send(get('/slow'));
  await until(() => open.length === known + 1, 'the request is at the app');
  return client;
}

describe('an app may sleep', () => {
  test('when all edges agree; then the next request wakes it, by whichever edge it comes', async () => {
    const { master, daemon } = await startServing(2);
    expect(await letSleep(daemon)).toBe(true);
    const waiting = request(master.port, { host });
    await until(() => told(daemon, 'wake-app').length > 0, 'the daemon is told');
    expect(told(daemon, 'wake-app')[0]).toEqual(site);
    setApp(daemon, 'ready', ['one']);
    expect((await waiting).text).toBe('at once');
  });

  test('not when one of them has something open: then all go on as before', async () => {
    const world = await startServing(2);
    const { master, daemon, open } = world;
    const client = await sendSlow(world);
    expect(await letSleep(daemon)).toBe(false);
    // On connections of their own, which come to both.
    const answers = await Promise.all(Array.from({ length: 20 }, () => request(master.port, { host })));
    expect(answers.map(({ text }) => text)).toEqual(Array<string>(20).fill('at once'));
    open[0]?.end('late');
    await client.seen(/late/);
    expect(await letSleep(daemon)).toBe(true);
    expect(told(daemon, 'wake-app')).toEqual([]);
  });

  test('when an edge with something open has ended', async () => {
    const world = await startServing(1);
    await sendSlow(world);
    const [pid = 0] = world.master.edgePids();
    process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid), 'the edge is gone');
    expect(await letSleep(world.daemon)).toBe(true);
  });

  test('also while an edge hangs that is ended then', async () => {
    const { master, daemon } = await startServing(1);
    const [pid = 0] = master.edgePids();
    process.kill(pid, 'SIGSTOP');
    const answer = letSleep(daemon);
    process.kill(pid, 'SIGKILL');
    expect(await answer).toBe(true);
  });

  test('not while an edge does not answer; what it hears later leaves the app awake', async () => {
    const { master, daemon } = await startServing(1);
    const [pid = 0] = master.edgePids();
    process.kill(pid, 'SIGSTOP');
    expect(await letSleep(daemon)).toBe(false);
    process.kill(pid, 'SIGCONT');
    expect(await isServed(master)).toBe(true);
    expect(told(daemon, 'wake-app')).toEqual([]);
  });

  test('not when the daemon said something new of it meanwhile', async () => {
    const { master, daemon } = await startServing(1);
    const answer = letSleep(daemon);
    setApp(daemon, 'ready', ['one']);
    expect(await answer).toBe(false);
    expect(await isServed(master)).toBe(true);
  });

  test('and an edge that starts meanwhile knows it', async () => {
    const { master, daemon } = await startServing(1);
    expect(await letSleep(daemon)).toBe(true);
    const [pid = 0] = master.edgePids();
    process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid), 'the edge is gone');
    const waiting = request(master.port, { host });
    await until(() => told(daemon, 'wake-app').length > 0, 'the daemon is told');
    setApp(daemon, 'ready', ['one']);
    expect((await waiting).text).toBe('at once');
  });

  test('but stays awake when the daemon is gone before the answer', async () => {
    const { master, daemon } = await startServing(2);
    const [pid = 0] = master.edgePids();
    process.kill(pid, 'SIGSTOP');
    const answer = letSleep(daemon).catch(() => 'nobody hears it');
    // Answered after the question before it: the master has asked its edges.
    await daemon.channel.request('hand-over', {}).catch(() => {});
    daemon.stop();
    process.kill(pid, 'SIGCONT');
    expect(await answer).toBe('nobody hears it');
    for (let time = 0; time < 10; time++) expect(await isServed(master)).toBe(true);
  });
});

test('the daemon that was away is told once it is back that somebody waits', async () => {
  const { master, daemon } = await startServing(1);
  setApp(daemon, 'sleeping', []);
  await daemon.channel.request('drain-upstream', { id: 'x', timeoutMs: 1_000 });
  daemon.stop();
  const waiting = request(master.port, { host });
  const returned = await master.startDaemon();
  await until(() => told(returned, 'wake-app').length > 0, 'it is told');
  setApp(returned, 'ready', ['one']);
  expect((await waiting).text).toBe('at once');
});

describe('the daemon is told of use', () => {
  test('as the sum of all edges, again and again while something is open', async () => {
    const world = await startServing(2);
    const { daemon, open } = world;
    const clients = [await sendSlow(world), await sendSlow(world), await sendSlow(world)];
    const isTold = (uses: object): boolean => told(daemon, 'app-use').some((params) => JSON.stringify(params) === JSON.stringify(uses));
    await until(() => isTold({ apps: [{ ...site, open: 3, waiting: 0 }] }), 'all three are told');
    for (const response of open) response.end('done');
    await Promise.all(clients.map(({ seen }) => seen(/done/)));
    await until(() => isTold({ apps: [{ ...site, open: 0, waiting: 0 }] }), 'their end is told');
    expect(await letSleep(daemon)).toBe(true);
  });

  test('of what was used while it was away', async () => {
    const { master, daemon } = await startServing(1);
    await until(() => told(daemon, 'app-use').length > 0, 'the first use is told');
    daemon.stop();
    expect(await isServed(master)).toBe(true);
    const returned = await master.startDaemon();
    await until(() => told(returned, 'app-use').length > 0, 'the use is told');
    expect(told(returned, 'app-use')).toEqual([{ apps: [{ ...site, open: 0, waiting: 0 }] }]);
  });
});
