import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startSteadyLoad } from '../support/steady-load.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { connectAsHost, frame, type HostileHost } from './hostile-host.ts';
import { ask, pidOf, probeTenant, socketOf } from './probe.ts';

const apps = ['alpha/site', 'beta/site'];
const floodBytes = 3 << 20;
/** Besides the daemon's own life: garbage that waits, a frame of 1 MiB, what the allocator keeps. */
const grownAtMostBytes = 96 << 20;
const loggedAtMostBytes = 256 << 10;

function boundedBy(limitBytes: number, bytes: number): string {
  return bytes < limitBytes ? 'bounded' : `${bytes} bytes`;
}

describe('a tenant host that was taken over', () => {
  let daemon: TestDaemon;
  let realHost: number;
  let betaPid: number;
  let aliveAnswer: string;
  let host: HostileHost;

  beforeAll(async () => {
    daemon = await startTestDaemon({ tenants: { alpha: probeTenant('alpha'), beta: probeTenant('beta') } });
    await daemon.untilApps(apps);
    betaPid = await pidOf(daemon, 'beta/site');
    aliveAnswer = JSON.stringify({ found: await ask(daemon, 'beta/site', 'alive') });
    realHost = (await daemon.tenant('alpha')).hostPid;
    // Instead of replacing its program: it says nothing from now on.
    process.kill(realHost, 'SIGSTOP');
  });
  beforeEach(async () => {
    host = await connectAsHost(daemon, 'alpha');
    await until(() => host.heard.includes('configure'), 'the daemon speaks to it as to a host');
  });
  afterEach(() => host.leave());
  afterAll(async () => {
    if (realHost > 0) process.kill(realHost, 'SIGCONT');
    await daemon?.[Symbol.asyncDispose]();
  });

  const residentBytes = (): number => 1_024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${daemon.pid()}/status`, 'utf8'))?.[1]);

  /** The neighbour was neither restarted nor given a problem, and answers. */
  async function expectNeighbourAsBefore(): Promise<void> {
    expect(await pidOf(daemon, 'beta/site')).toBe(betaPid);
    expect(await ask(daemon, 'beta/site', 'alive')).toMatchObject({ tenant: 'beta', app: 'site' });
    expect((await daemon.tenant('beta')).problems).toEqual([]);
  }

  /** While the neighbour is under load and the operator asks: how that went, and what it left behind in the daemon. */
  async function flood(piece: string): Promise<object> {
    const [memoryBefore, loggedBefore] = [residentBytes(), daemon.log().length];
    const load = startSteadyLoad({ port: daemon.port, hosts: [{ host: 'beta.test', expected: aliveAnswer }], workers: 2, path: '/site' });
    const block = piece.repeat(Math.ceil((256 << 10) / piece.length));
    const operator: number[] = [];
    for (let sent = 0; sent < floodBytes && !host.socket.destroyed; sent += block.length) {
      await host.send(block);
      operator.push((await daemon.ctl('status', 'beta')).code);
    }
    const { requests, failures } = await load.stop();
    return {
      ...{ failures, isServed: requests > 0, operator: [...new Set(operator)] },
      memory: boundedBy(grownAtMostBytes, residentBytes() - memoryBefore),
      log: boundedBy(loggedAtMostBytes, daemon.log().length - loggedBefore),
    };
  }

  test('is reached by the tenant user in its host sandbox, and from no app', async () => {
    const uid = (await daemon.tenant('alpha')).uid;
    const program =
      'socket(S, 1, 1, 0); connect(S, pack "Sa*", 1, "/run/tenantd/control/control.sock\\0") and sysread(S, $_, 60) or $_ = $!; print';
    const as = ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--', 'perl', '-e', program];
    const { stdout } = spawnSync('nsenter', [`--mount=/proc/${realHost}/ns/mnt`, '--', ...as], { encoding: 'utf8' });
    expect(stdout).toContain('"method":"configure"');
    expect(await ask(daemon, 'alpha/site', 'connect', { input: { path: '/run/tenantd/control/control.sock' } })).toBe('ENOENT');
  });

  test('ends, serves and asks for nothing of other tenants', async () => {
    const other = socketOf(daemon, 'beta', 'site').split('/').at(-1)?.replace('.sock', '') ?? '';
    expect(await host.ask('stop-worker', { workerId: other, reason: 'forged' })).toBeNull();
    host.say('worker-ready', { workerId: other });
    host.say('app-state', { app: 'site', tenant: 'beta', state: 'failed', restarts: 1 });
    for (const app of ['../beta/site', 'beta/site', '/etc', '', '__proto__', 'x'.repeat(33)])
      expect(await host.ask('start-worker', { app })).toBe('TENANTD_E_INTERNAL');
    for (const app of ['nowhere', 'constructor']) expect(await host.ask('start-worker', { app })).toBe('TENANTD_E_NO_SUCH_APP');
    for (const method of ['status', 'verify', 'secret-set', 'shutdown', 'configure', '__proto__', 'toString', 'hasOwnProperty'])
      expect(await host.ask(method, { tenant: 'beta', app: 'site' })).toBe('TENANTD_E_UNKNOWN_METHOD');
    await expectNeighbourAsBefore();
  });

  test('starts no more workers than its app may have, however often it asks', async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, () => host.ask('start-worker', { app: 'site' })));
    expect(answers.filter((answer) => answer !== 'TENANTD_E_DENIED').length).toBeLessThanOrEqual(4);
    expect((await daemon.app('alpha', 'site')).workers.length).toBeLessThanOrEqual(4);
    await expectNeighbourAsBefore();
  });

  test('makes the daemon remember no apps that there are not', async () => {
    const size = async (): Promise<number> => (await daemon.ctl('status', '--json')).stdout.length;
    const before = await size();
    for (let index = 0; index < 3_000; index += 100) {
      const names = Array.from({ length: 100 }, (_, more) => `app-${index + more}`);
      await Promise.all(names.map((app) => host.ask('start-worker', { app })));
      for (const app of names) {
        host.say('app-state', { app, state: 'failed', restarts: 1, reason: 'forged', code: 'TENANTD_E_APP_FAILED' });
        host.say('manifest-changed', { app });
      }
    }
    expect((await size()) - before).toBeLessThan(2_000);
    await expectNeighbourAsBefore();
  });

  test.each<[string, (send: HostileHost['send']) => Promise<void>]>([
    ['a frame without an end', async (send) => send('x'.repeat(3 << 20))],
    ['bytes that are no text', async (send) => send(Buffer.concat([Buffer.alloc(1_000, 0xff), Buffer.from('\n')]))],
    ['an empty frame', async (send) => send('\n')],
    ['what is no object', async (send) => send('[{"method":"hello"}]\n')],
    ['brackets without end', async (send) => send(`${'['.repeat(900_000)}\n`)],
    ['objects in objects', async (send) => send(`${'{"a":'.repeat(150_000)}1${'}'.repeat(150_000)}\n`)],
    ['an answer to nothing', async (send) => send('{"id":{}}\n')],
  ])('loses its connection by %s, and can come back', async (_what, attack) => {
    const [memoryBefore, loggedBefore] = [residentBytes(), daemon.log().length];
    await attack(host.send);
    await host.closed;
    expect(residentBytes() - memoryBefore).toBeLessThan(grownAtMostBytes);
    expect(daemon.log().length - loggedBefore).toBeLessThan(10_000);
    await expectNeighbourAsBefore();
  });

  test.each([
    [
      '__proto__ as a key',
      '{"jsonrpc":"2.0","method":"app-state","params":{"__proto__":{"app":"site"},"constructor":{"prototype":{"polluted":1}}}}\n',
    ],
    ['numbers that are none', '{"jsonrpc":"2.0","id":1e999,"method":"start-worker","params":{"app":"site"}}\n'],
    ['ids of other kinds', '{"jsonrpc":"2.0","id":["a"],"method":"stop-worker","params":{}}\n'],
    ['answers to questions of others', '{"jsonrpc":"2.0","id":999999,"result":{"lines":[]}}\n'],
    ['the same name twice', '{"jsonrpc":"2.0","method":"hello","method":"log","params":{"level":"fatal","message":"x"}}\n'],
    ['deep parameters', `{"jsonrpc":"2.0","method":"log","params":${'['.repeat(200_000)}${']'.repeat(200_000)}}\n`],
  ])('confuses nobody by %s', async (_what, text) => {
    await host.send(text);
    expect(await host.ask('stop-worker', { workerId: 'site.aaaaaa', reason: 'still heard' })).toBeNull();
    await expectNeighbourAsBefore();
  });

  test('is heard in pieces of single bytes as in one', async () => {
    const answer = host.ask('stop-worker', { workerId: 'site.aaaaaa', reason: 'x'.repeat(400) });
    host.socket.setNoDelay(true);
    for (const byte of frame({ method: 'hello', params: { version: 'torn' } })) await host.send(byte);
    expect(await answer).toBeNull();
  });

  test.each([
    ['words for the log', frame({ method: 'log', params: { level: 'error', message: 'x'.repeat(400) } })],
    ['what no schema takes', frame({ method: 'worker-ready', params: { workerId: 'x'.repeat(100) } })],
    [
      'states of its app',
      ['running', 'failed'].map((state) => frame({ method: 'app-state', params: { app: 'site', state, restarts: 0 } })).join(''),
    ],
    ['changes of a manifest', frame({ method: 'manifest-changed', params: { app: 'site' } })],
    ['ends of workers', frame({ id: 1, method: 'stop-worker', params: { workerId: 'site.aaaaaa', reason: 'again' } })],
  ])('floods the daemon with %s, and costs nobody else anything', async (_what, piece) => {
    expect(await flood(piece)).toEqual({ failures: [], isServed: true, operator: [0], memory: 'bounded', log: 'bounded' });
    await expectNeighbourAsBefore();
  });

  test('that never reads is cut off, and costs no more memory than what waits for it', async () => {
    const deaf = await connectAsHost(daemon, 'alpha', { reads: false });
    const memoryBefore = residentBytes();
    const question = frame({ id: 7, method: 'start-worker', params: { app: 'nowhere' } }).repeat(2_000);
    for (let time = 0; time < 14 && !deaf.socket.destroyed; time++) await Promise.race([deaf.send(question), deaf.closed]);
    expect(residentBytes() - memoryBefore).toBeLessThan(grownAtMostBytes);
    deaf.leave();
    await expectNeighbourAsBefore();
  });

  test('comes again and again, and nobody else waits', async () => {
    for (let time = 0; time < 300; time++) (await connectAsHost(daemon, 'alpha')).leave();
    expect((await daemon.ctl('status', 'beta')).code).toBe(0);
    await expectNeighbourAsBefore();
  });

  test('goes, and the real one takes its place: its app answers', async () => {
    host.leave();
    process.kill(realHost, 'SIGCONT');
    realHost = 0;
    await daemon.untilApps(apps);
    expect(await ask(daemon, 'alpha/site', 'alive')).toMatchObject({ tenant: 'alpha' });
  });
});
