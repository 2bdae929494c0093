import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AppStatus } from '../../src/protocol/control.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { ask, pidOf, probeTenant, socketOf } from './probe.ts';

const apps = ['alpha/site', 'alpha/shop', 'beta/site'];

interface LogLine {
  app: string;
  worker: string;
  line: string;
}

/** Two things an app can write reach others: its reports, which the tenant host reads, and what it prints. */
describe('an app that lies to its tenant host', () => {
  let daemon: TestDaemon;
  let workers: number[];
  beforeAll(async () => {
    daemon = await startTestDaemon({ tenants: { alpha: probeTenant('alpha', ['site', 'shop']), beta: probeTenant('beta') } });
    await daemon.untilApps(apps);
    workers = await Promise.all(apps.map((app) => pidOf(daemon, app)));
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  const say = (said: { reports?: string[]; printed?: string[] }) => ask(daemon, 'alpha/site', 'say', { input: said });

  async function linesOf(at: string): Promise<LogLine[]> {
    const { code, stdout, stderr } = await daemon.ctl('logs', '-n', '10000', '--json', at);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    return (JSON.parse(stdout) as { lines: LogLine[] }).lines;
  }

  async function untilPrinted(marker: string): Promise<LogLine[]> {
    await until(async () => (await linesOf('alpha/site')).some(({ line }) => line.includes(marker)), `${marker} is in the log`);
    return linesOf('alpha/site');
  }

  /** Nobody was restarted, everyone answers, nobody has a problem. */
  async function expectAllAsBefore(): Promise<void> {
    expect(await Promise.all(apps.map((app) => pidOf(daemon, app)))).toEqual(workers);
    for (const at of apps) {
      const [tenant, app] = at.split('/');
      expect(await ask(daemon, at, 'alive')).toMatchObject({ tenant, app });
    }
    const { tenants } = await daemon.status();
    expect(tenants.flatMap(({ problems }) => problems)).toEqual([]);
    expect(tenants.flatMap((tenant) => tenant.apps.map(({ state }) => state))).toEqual(['running', 'running', 'running']);
  }

  test('says nothing for other workers, whoever it claims to be', async () => {
    const other = socketOf(daemon, 'alpha', 'shop').split('/').at(-1)?.replace('.sock', '') ?? '';
    const calls = ['worker-exited', 'stop-worker', 'worker-ready', 'shutdown', 'app-state'].flatMap((method) => [
      JSON.stringify({ event: method, workerId: other, app: 'shop', state: 'failed', reason: 'forged' }),
      JSON.stringify({ jsonrpc: '2.0', method, params: { workerId: other, app: 'shop', state: 'failed', reason: 'forged', restarts: 1 } }),
      JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { workerId: other, reason: 'forged' } }),
    ]);
    await say({ reports: [...calls, '{"event":"listening"}', '{"event":"note","message":"the last report"}'].map((line) => `${line}\n`) });
    const lines = await untilPrinted('the last report');
    expect(lines.filter(({ line }) => line.includes('forged'))).toEqual([]);
    expect(await linesOf('alpha/shop')).not.toContainEqual(expect.objectContaining({ line: expect.stringContaining('report') }));
    await expectAllAsBefore();
  });

  test('confuses nobody with garbage, endless lines and fields of the wrong kind in its reports', async () => {
    const garbage = [
      '\n\n\n',
      '{',
      'null\n',
      '[]\n',
      '"x"\n',
      '{"event":{}}\n',
      '{"event":"note","message":{"a":1}}\n',
      '\u0000\u0001\u00ff\n',
    ];
    const nested = `${'['.repeat(1_900)}${']'.repeat(1_900)}\n`;
    await say({ reports: [...garbage, nested, '{"__proto__":{"event":"listening"}}\n', 'x'.repeat(60_000)] });
    await say({ reports: ['y'.repeat(60_000), '\n{"event":"note","message":"after the flood"}\n'], printed: ['still printing\n'] });
    const lines = await untilPrinted('still printing');
    // A line that is too long ends the reading of reports: nothing after it counts.
    expect(lines.filter(({ line }) => line.includes('after the flood'))).toEqual([]);
    await expectAllAsBefore();
  });

  test('prints as nobody else: its lines carry its own name, whatever is in them', async () => {
    const forged = JSON.stringify({ time: '2020-01-01T00:00:00.000Z', app: 'shop', worker: 'shop.aaaaaa', line: 'forged' });
    await say({
      printed: [
        `${forged}\n`,
        '\u001b[2J\u001b]0;title\u0007\u009b31m red\r over\n',
        `${'z'.repeat(200_000)}\n`,
        'no end of line',
        '\nthe end\n',
      ],
    });
    const lines = await untilPrinted('the end');
    expect(new Set(lines.map(({ app }) => app))).toEqual(new Set(['site']));
    expect(lines.every(({ worker }) => worker.startsWith('site.'))).toBe(true);
    expect(lines.map(({ line }) => line)).toContain(forged);
    expect(Math.max(...lines.map(({ line }) => line.length))).toBeLessThanOrEqual(16_384);
    const { stdout } = await daemon.ctl('logs', '-n', '10000', 'alpha');
    // oxlint-disable-next-line no-control-regex -- what must not be there
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    await expectAllAsBefore();
  });

  test('prints so much that reading it all would be too much, and the log can still be read', async () => {
    const line = `${'\u0000\u001b"\\'.repeat(2_000)}\n`;
    await say({ printed: Array.from({ length: 400 }, () => line) });
    await say({ printed: ['enough now\n'] });
    await until(async () => (await daemon.ctl('logs', '-n', '1', 'alpha/site')).stdout.includes('enough now'), 'the last line is read');
    const { code, stdout, stderr } = await daemon.ctl('logs', '-n', '10000', '--json', 'alpha/site');
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(JSON.parse(stdout)).toHaveProperty('lines');
    await expectAllAsBefore();
  });

  test('takes its pipes away from nobody but itself', async () => {
    const refused = { closeOutput: 'EPERM', closeReports: 'EPERM', giveAway: 'EPERM', write: 'ok' };
    expect(await ask(daemon, 'alpha/site', 'changePipes')).toEqual(refused);
    await ask(daemon, 'alpha/site', 'exit', { input: 3 });
    await until(async () => (await pidOf(daemon, 'alpha/site')) !== workers[0], 'the app runs again');
    await daemon.untilApps(apps);
    const killed = (await daemon.tenant('alpha')).hostPid;
    process.kill(killed, 'SIGKILL');
    await until(async () => ![0, killed].includes((await daemon.tenant('alpha')).hostPid), 'a new tenant host runs');
    await until(async () => (await daemon.tenant('alpha')).state === 'running', 'the new tenant host knows what to run');
    // The sibling's worker goes on, under the new host's eyes.
    expect((await daemon.ctl('app', 'restart', 'alpha/shop')).code).toBe(0);
    await daemon.untilApps(apps);
  });

  test('tells why it failed in its own words, and they stay words', async () => {
    daemon.writeTenant('alpha', {
      'apps/liar/app.yaml': 'kind: node\nentry: liar.js\nroutes: ["alpha.test/liar"]\n',
      'apps/liar/liar.js': `
        for (let i = 0; i < 60; i++) console.log('\\u001b[31m' + '\\u00fc\\u0000"'.repeat(3_000) + i);
        process.exit(5);`,
    });
    const isFailed = async (): Promise<AppStatus | undefined> => {
      const liar = (await daemon.tenant('alpha')).apps.find(({ name }) => name === 'liar');
      return liar?.state === 'failed' ? liar : undefined;
    };
    await until(async () => (await isFailed()) !== undefined, 'the app has failed');
    const liar = await daemon.app('alpha', 'liar');
    expect(liar.reason).toMatch(/^exited with code 5/);
    const { stdout } = await daemon.ctl('status', 'alpha');
    expect(stdout).toContain('exited with code 5');
    expect(stdout).not.toContain('\u001b');
    daemon.removeTenant('alpha/apps/liar');
    await until(async () => (await daemon.tenant('alpha')).apps.length === 2, 'the app is gone');
    expect(readdirSync(`${daemon.directory}/run/pipes/alpha`).filter((name) => name.startsWith('liar'))).toEqual([]);
  });
});
