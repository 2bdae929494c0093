import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FaultInfo, FaultKind, FaultsResult } from '../../src/protocol/fault-calls.ts';
import { request } from '../support/client.ts';
import { repositoryPath, startTestDaemon, type TestDaemon, type TenantFiles } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { ask, pidOf, probeTenant } from './probe.ts';

const plans = `plans:
  starter: { memory: 128M, cpu: 0.5, processes: 64, disk: 16M, files: 400, requestsPerSecond: 0 }
`;
const requestLimits = {
  narrow: 'bodySize: 1K, headerSize: 1K, uriSize: "256", responseTimeout: 1s, concurrentRequests: 1, queuedRequests: 0, webSockets: 0',
  slow: 'requestsPerSecond: 1',
  single: 'connectionsPerAddress: 1',
};
const mebibyte = 1 << 20;

function limited(tenant: keyof typeof requestLimits): TenantFiles {
  return {
    'tenant.yaml': `domains: [${tenant}.test]\nlimits: { ${requestLimits[tenant]} }\n`,
    'apps/site': { copy: repositoryPath('test/fixtures/apps/meets-limits') },
    'apps/site/app.yaml': 'kind: node\nentry: server.js\n',
  };
}

describe('the fault journal', () => {
  let daemon: TestDaemon;
  const startedAtMs = Date.now();

  beforeAll(async () => {
    const tenants = {
      ...{ alpha: probeTenant('alpha', ['site', 'shop']), spins: probeTenant('spins'), beta: probeTenant('beta') },
      ...{ narrow: limited('narrow'), slow: limited('slow'), single: limited('single') },
    };
    daemon = await startTestDaemon({ plans, tenants });
    await daemon.untilApps(['alpha/site', 'alpha/shop', ...['spins', 'beta', 'narrow', 'slow', 'single'].map((name) => `${name}/site`)]);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  async function faultsOf(tenant: string): Promise<FaultInfo[]> {
    const { stdout, stderr, code } = await daemon.ctl('faults', tenant, '--json');
    expect([code, stderr]).toEqual([0, '']);
    return (JSON.parse(stdout) as FaultsResult).faults;
  }

  async function findFault(tenant: string, kind: FaultKind): Promise<FaultInfo | undefined> {
    return (await faultsOf(tenant)).find((fault) => fault.kind === kind);
  }

  async function untilFault(tenant: string, kind: FaultKind, timeoutMs = 20_000): Promise<FaultInfo> {
    await until(async () => (await findFault(tenant, kind)) !== undefined, `${kind} of ${tenant} is in the journal`, timeoutMs);
    const fault = await findFault(tenant, kind);
    if (!fault) throw new Error('it was there');
    expect(Date.parse(fault.firstAt)).toBeGreaterThanOrEqual(startedAtMs);
    expect(Date.parse(fault.lastAt)).toBeGreaterThanOrEqual(Date.parse(fault.firstAt));
    expect(Date.parse(fault.lastAt)).toBeLessThanOrEqual(Date.now());
    return fault;
  }

  test('has who was ended at its memory, how large it was, and what else was there', async () => {
    await ask(daemon, 'alpha/site', 'hogMemoryInChild').catch(() => 'ended with its child');
    const { app, count, detail, processes = [] } = await untilFault('alpha', 'memory');
    expect({ app, count }).toEqual({ app: 'site', count: 1 });
    expect(detail).toBe('processes of site were ended at the limit of 128 MiB');
    const killed = processes.filter((process) => process.killed);
    expect(killed).toMatchObject([{ name: 'perl', app: 'site', count: 1 }]);
    expect(killed[0]?.memoryBytes).toBeGreaterThan(30 * mebibyte);
    expect(processes.filter((process) => !process.killed).map((process) => process.app)).toContain('shop');
    await daemon.untilApps(['alpha/site']);
  });

  test('has forks that were refused, and who held the processes', async () => {
    await ask(daemon, 'alpha/shop', 'forkMany', { input: { keep: true } });
    const { app, detail, processes = [] } = await untilFault('alpha', 'processes');
    expect({ app, detail }).toEqual({ app: 'shop', detail: 'forks were refused at the limit of 64 processes' });
    expect(processes[0]).toMatchObject({ name: 'perl', app: 'shop' });
    expect(processes[0]?.count).toBeGreaterThan(10);
    // Until it is stopped there is no room for another worker.
    for (const action of ['stop', 'start']) expect((await daemon.ctl('app', action, 'alpha/shop')).code).toBe(0);
    await daemon.untilApps(['alpha/shop']);
  });

  test('has a disk that is full, by bytes and by files', async () => {
    await ask(daemon, 'alpha/site', 'fillUp', { input: '/data' });
    expect((await untilFault('alpha', 'disk')).detail).toMatch(/^\d+ % of 16 MiB are in use$/);
    await ask(daemon, 'alpha/site', 'unfill', { input: '/data' });
    await ask(daemon, 'alpha/site', 'fillFiles', { input: '/data' });
    expect((await untilFault('alpha', 'files')).detail).toMatch(/^\d+ % of \d+ files are in use$/);
    await ask(daemon, 'alpha/site', 'unfill', { input: '/data' });
  });

  test('has a worker that ended by itself', async () => {
    const before = await pidOf(daemon, 'alpha/site');
    await ask(daemon, 'alpha/site', 'exit', { input: 3 });
    await untilFault('alpha', 'crash');
    expect(await faultsOf('alpha')).toContainEqual(
      expect.objectContaining({ app: 'site', kind: 'crash', count: 1, detail: 'ended by itself with code 3' }),
    );
    await until(async () => ![0, before].includes(await pidOf(daemon, 'alpha/site')), 'another worker is there');
  });

  test('has what the edge refused', async () => {
    const { port } = daemon;
    const host = 'narrow.test';
    const statuses = [
      (await request(port, { host, method: 'POST', body: 'x'.repeat(2_000) })).status,
      (await request(port, { host, headers: { 'x-long': 'x'.repeat(2_000) } })).status,
      (await request(port, { host, path: `/${'x'.repeat(400)}` })).status,
      (await request(port, { host, headers: { connection: 'upgrade', upgrade: 'websocket' } })).status,
    ];
    const never = request(port, { host, path: '/never' });
    await until(async () => (await request(port, { host })).status === 503, 'another one is refused meanwhile');
    statuses.push((await never).status);
    expect(statuses).toEqual([413, 431, 414, 503, 504]);
    const kinds = ['bodySize', 'headerSize', 'uriSize', 'webSockets', 'concurrentRequests', 'responseTimeout'] as const;
    for (const kind of kinds) expect((await untilFault('narrow', kind)).app).toBe('site');
    expect(await findFault('narrow', 'bodySize')).toMatchObject({ count: 1, detail: 'requests got 413: a body over 1 KiB' });
    expect((await faultsOf('narrow')).map(({ kind }) => kind).toSorted()).toEqual([...kinds].toSorted());
  });

  test('has connections of one address that were too many', async () => {
    const held = connect(daemon.port, '127.0.0.1');
    held.write('GET / HTTP/1.1\r\nhost: single.test\r\n\r\n');
    await once(held, 'data');
    expect((await request(daemon.port, { host: 'single.test' })).status).toBe(429);
    held.destroy();
    expect((await untilFault('single', 'connectionsPerAddress')).detail).toBe('requests got 429: over 1 connections of one address');
  });

  test('has a flood in one row, with its number and first and last time', async () => {
    const asked = 1_500;
    let refused = 0;
    for (let done = 0; done < asked; done += 50) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => request(daemon.port, { host: 'slow.test' })));
      refused += answers.filter(({ status }) => status === 429).length;
    }
    await untilFault('slow', 'requestsPerSecond');
    await until(async () => (await findFault('slow', 'requestsPerSecond'))?.count === refused, 'all of them are counted');
    expect(await faultsOf('slow')).toHaveLength(1);
    expect((await findFault('slow', 'requestsPerSecond'))?.detail).toBe('requests got 429: over 1 a second');
  });

  test('goes on where it was when the daemon was killed, and counts nothing twice', async () => {
    const before = (await findFault('alpha', 'memory'))?.count ?? 0;
    await daemon.kill();
    await ask(daemon, 'alpha/site', 'hogMemoryInChild').catch(() => 'ended with its child');
    await Promise.all(Array.from({ length: 40 }, () => request(daemon.port, { host: 'slow.test' })));
    const rate = (): Promise<FaultInfo | undefined> => findFault('slow', 'requestsPerSecond');
    await daemon.start();
    await until(async () => (await findFault('alpha', 'memory'))?.count === before + 1, 'what happened meanwhile is in it, too');
    expect((await findFault('alpha', 'memory'))?.processes).toContainEqual(expect.objectContaining({ name: 'perl', killed: true }));
    await until(async () => Date.now() - Date.parse((await rate())?.lastAt ?? '') < 20_000, 'so are the requests');
    const all = await Promise.all(['alpha', 'slow', 'narrow'].map(faultsOf));
    await daemon.kill();
    await daemon.start();
    await daemon.untilApps(['alpha/site', 'slow/site']);
    const counts = (faults: FaultInfo[][]): [FaultKind, number][] => faults.flat().map(({ kind, count }) => [kind, count]);
    expect(counts(await Promise.all(['alpha', 'slow', 'narrow'].map(faultsOf)))).toEqual(counts(all));
  });

  test('has a tenant that was held back for most of half a minute', async () => {
    void ask(daemon, 'spins/site', 'useProcessor', { input: 40, timeoutMs: 120_000 }).catch(() => 'the daemon is stopped before');
    const { detail, processes = [] } = await untilFault('spins', 'cpu', 100_000);
    expect(detail).toMatch(/^was held back in \d+ % of \d+ s of work, at 0\.5 cores$/);
    expect(processes[0]).toMatchObject({ name: 'perl', app: 'site' });
  });

  test('has nothing of the neighbour, also when it is attacked from inside on purpose', async () => {
    expect((await daemon.ctl('verify', 'beta')).code).toBe(0);
    expect(await faultsOf('beta')).toEqual([]);
    expect((await daemon.ctl('faults', 'beta')).stdout).toBe('Nothing of that time.\n');
    expect((await daemon.tenant('beta')).lastFault).toBeUndefined();
  });

  test('is shown within 80 columns, by time, and the last one in status', async () => {
    const { stdout } = await daemon.ctl('faults', '--since', '1h');
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).toMatch(/^WHOSE +WHAT +TIMES +LAST +FIRST$/m);
    expect(stdout).toMatch(/ended: perl of site .*MiB/);
    const [last] = await faultsOf('alpha');
    expect((await daemon.tenant('alpha')).lastFault).toEqual(last);
    expect((await daemon.ctl('status', 'alpha')).stdout).toContain('last fault ');
    expect((await daemon.ctl('faults', 'alpha', '-n', '1', '--json')).stdout).toContain(`"kind": "${last?.kind}"`);
    expect((await daemon.ctl('faults', 'nobody')).code).toBe(1);
  });
});
