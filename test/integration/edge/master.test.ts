import { describe, expect, test } from 'vitest';
import { request } from '../../support/client.ts';
import { until } from '../../support/until.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { appRoute, host, hostRoute, tenant } from './edge-under-test.ts';
import { type FakeDaemon, isAlive, type MasterUnderTest, startMaster } from './master-under-test.ts';

const routes = {
  tenant,
  hosts: [hostRoute(host)],
  apps: [appRoute('ready', ['one'])],
  limits: generousLimits,
  tls: { redirect: true, hstsSeconds: 0 },
};

function sendRoutes({ channel }: FakeDaemon): void {
  channel.notify('snapshot-begin', {});
  channel.notify('set-tenant', routes);
  channel.notify('snapshot-end', {});
}

const answers = (port: number): Promise<boolean> =>
  request(port, { host }).then(
    ({ status }) => status === 200,
    () => false,
  );

async function startServing(processes = 1): Promise<{ master: MasterUnderTest; daemon: FakeDaemon }> {
  const master = await startMaster(processes);
  await master.app('one', (_, response) => response.end('ok'));
  const daemon = await master.startDaemon();
  sendRoutes(daemon);
  await until(() => answers(master.port), 'the edge answers');
  await until(() => master.edgePids().length === processes, 'all edges run');
  return { master, daemon };
}

describe('an edge', () => {
  test('accepts nothing before its first whole route table', async () => {
    const master = await startMaster();
    const { channel, heard } = await master.startDaemon();
    await until(() => heard.length > 0, 'the master says hello');
    expect(heard[0]).toMatchObject({ method: 'hello', params: { version: 'dev' } });
    channel.notify('snapshot-begin', {});
    channel.notify('set-tenant', routes);
    expect(await channel.request('drain-upstream', { id: 'x', timeoutMs: 15_000 })).toEqual({ drained: true });
    await expect(request(master.port, { host })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    channel.notify('snapshot-end', {});
    await until(
      () =>
        request(master.port, { host }).then(
          ({ status }) => status === 502,
          () => false,
        ),
      'the edge accepts',
    );
  });

  test('that is killed while the daemon is away is replaced at once, and no connection is refused', async () => {
    const { master, daemon } = await startServing();
    daemon.stop();
    const [first = 0] = master.edgePids();
    process.kill(first, 'SIGKILL');
    await until(() => !isAlive(first), 'the edge is dead');
    expect((await request(master.port, { host })).text).toBe('ok');
    expect(master.edgePids()).not.toContain(first);
    const returned = await master.startDaemon();
    await until(() => returned.heard.some(({ method }) => method === 'hello'), 'the master finds the daemon again');
  });

  test('that keeps dying is started again and again, and the daemon is told', async () => {
    const { master, daemon } = await startServing();
    for (let round = 0; round < 3; round++) {
      await until(() => master.edgePids().length === 1, 'there is an edge');
      const [pid = 0] = master.edgePids();
      process.kill(pid, 'SIGKILL');
      await until(() => !master.edgePids().includes(pid), 'the edge is gone');
    }
    await until(() => answers(master.port), 'the edge answers');
    const texts = daemon.heard.map(({ params }) => JSON.stringify(params)).join('\n');
    expect(texts).toMatch(/an edge ended \(SIGKILL\), the next is started in 0 ms/);
    expect(texts).toMatch(/an edge ended \(SIGKILL\), the next is started in [1-9]\d* ms/);
  });

  test('ends when its master is killed', async () => {
    const { master } = await startServing(2);
    const pids = master.edgePids();
    master.process.kill('SIGKILL');
    await until(() => pids.every((pid) => !isAlive(pid)), 'the edges end');
    expect(pids).toHaveLength(2);
  });
});

describe('the master', () => {
  test('asks all edges whether an upstream is drained', async () => {
    const { master, daemon } = await startServing(2);
    let finish = (): void => {};
    await master.app('two', (_, response) => (finish = () => response.end('late')));
    daemon.channel.notify('set-app', { tenant, ...appRoute('ready', ['two']) });
    // Answered in order after the change: from here on the edges know it.
    await daemon.channel.request('drain-upstream', { id: 'x', timeoutMs: 1_000 });
    const late = request(master.port, { host });
    await until(async () => !(await isDrained(daemon, 20)), 'the request is open');
    daemon.channel.notify('set-app', { tenant, ...appRoute('ready', ['one']) });
    const drained = isDrained(daemon, 5_000);
    finish();
    expect(await drained).toBe(true);
    expect((await late).text).toBe('late');
  });

  test.each(['a request of the daemon', 'SIGTERM'])('ends on %s: open requests first, then the edges, then itself', async (way) => {
    const { master, daemon } = await startServing(2);
    let finish: (() => void) | undefined;
    await master.app('two', (_, response) => (finish = () => response.end('late')));
    daemon.channel.notify('set-app', { tenant, ...appRoute('ready', ['two']) });
    await daemon.channel.request('drain-upstream', { id: 'x', timeoutMs: 1_000 });
    const late = request(master.port, { host });
    await until(() => finish !== undefined, 'the request is open');
    const pids = master.edgePids();
    const done = way === 'SIGTERM' ? master.process.kill('SIGTERM') : daemon.channel.request('shutdown', { timeoutMs: 5_000 });
    await until(() => pids.filter(isAlive).length === 1, 'the idle edge ends');
    finish?.();
    expect((await late).text).toBe('late');
    await done;
    expect(await master.exited).toEqual([0, null]);
    expect(pids.filter(isAlive)).toEqual([]);
  });
});

async function isDrained({ channel }: FakeDaemon, timeoutMs: number): Promise<boolean> {
  const { drained } = (await channel.request('drain-upstream', { id: 'site.two', timeoutMs })) as { drained: boolean };
  return drained;
}
