import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { LogLine } from '../../src/protocol/host.ts';
import { request } from '../support/client.ts';
import { repositoryPath, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

/** Prints as many numbered lines as it is asked for, on from where it was; told by a file, so that restarts go on. */
const counts = `
const { readFileSync, writeFileSync } = require('node:fs');
const file = '/data/count';
const read = () => { try { return Number(readFileSync(file, 'utf8')); } catch { return 0; } };
require('node:http').createServer((request, response) => {
  const wanted = Number(request.url.slice(1));
  const from = read();
  let text = '';
  for (let number = from + 1; number <= from + wanted; number += 1) text += 'number ' + number + ' ' + 'x'.repeat(80) + '\\n';
  writeFileSync(file, String(from + wanted));
  process.stdout.write(text, () => response.end('printed'));
}).listen(3000);
`;

const files = (domain: string) => ({
  'tenant.yaml': `domains: [${domain}]\nlimits: { disk: 64M }\n`,
  'apps/site/package.json': '{ "main": "server.js" }',
  'apps/site/server.js': counts,
});

describe('logs that are followed', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await startTestDaemon({ config: 'logs: { maxBytes: 256K, keep: 5 }', tenants: { acme: files('acme.test') } });
    await daemon.untilApps(['acme/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  function follow(...args: string[]) {
    const program = [repositoryPath('dist/tenantctl.js'), '--config', daemon.configFile, 'logs', '-f', '--json', ...args];
    const child: ChildProcess = spawn(process.execPath, program, { stdio: ['ignore', 'pipe', 'pipe'], env: { NO_COLOR: '1' } });
    onTestFinished(() => void child.kill('SIGKILL'));
    let [printed, said] = ['', ''];
    child.stdout?.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const events = () =>
      printed
        .slice(0, printed.lastIndexOf('\n') + 1)
        .split('\n')
        .filter((text) => text !== '')
        .map((text) => JSON.parse(text) as Partial<LogLine> & { dropped?: number });
    const numbers = (): number[] =>
      events()
        .flatMap(({ line }) => /^number (\d+) /.exec(line ?? '')?.[1] ?? [])
        .map(Number);
    const dropped = (): number => events().reduce((sum, event) => sum + (event.dropped ?? 0), 0);
    return { child, numbers, dropped, positions: () => events().flatMap(({ position }) => position ?? []), said: () => said };
  }

  const printLines = async (count: number): Promise<void> => {
    const { status } = await request(daemon.port, { host: 'acme.test', path: `/${count}` });
    expect(status).toBe(200);
  };
  const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at);

  test(
    'lose nothing and tell nothing twice: over rotations, a killed daemon, a restart and a killed host',
    { timeout: 180_000 },
    async () => {
      let count = 0;
      const printMore = async (lines: number): Promise<void> => {
        await printLines(lines);
        count += lines;
      };
      await printMore(1);
      const reader = follow('acme/site');
      await until(() => reader.numbers().length === 1, 'the reader follows');

      // Over six rotations. What is kept is five files of 256 KB: that is how far a reader may be behind.
      for (let round = 0; round < 6; round += 1) {
        await printMore(1_500);
        await until(() => reader.numbers().at(-1) === count, 'all of it is told, over rotations', 60_000);
      }

      await daemon.kill();
      await printMore(1_000);
      await daemon.start();
      await printMore(500);
      await until(() => reader.numbers().at(-1) === count, 'it goes on after the daemon was killed', 60_000);

      expect((await daemon.ctl('app', 'restart', 'acme/site')).code).toBe(0);
      await printMore(500);
      await until(() => reader.numbers().at(-1) === count, 'it goes on after a restart of the app', 60_000);

      const { hostPid } = await daemon.tenant('acme');
      process.kill(hostPid, 'SIGKILL');
      await printMore(300);
      await until(() => reader.numbers().at(-1) === count, 'it goes on after the host was killed', 60_000);

      expect(reader.numbers()).toEqual(range(1, count));
      expect(reader.dropped()).toBe(0);
      const positions = reader.positions();
      expect(positions).toEqual(range(positions[0] ?? 0, (positions[0] ?? 0) + positions.length - 1));
      expect(reader.said().trim().split('\n')).toEqual([
        'tenantctl: the connection to the daemon is lost; this goes on when it is back',
        'tenantctl: the daemon is back',
      ]);
      reader.child.kill('SIGINT');
      await until(() => reader.child.exitCode !== null, 'the reader has ended');
      expect(reader.child.exitCode).toBe(0);
    },
  );

  test('go on when the app has slept', { timeout: 120_000 }, async () => {
    daemon.writeTenant('sleepy', { ...files('sleepy.test'), 'apps/site/app.yaml': 'idle: 1s\n' });
    await daemon.untilApps(['sleepy/site']);
    const ask = () => request(daemon.port, { host: 'sleepy.test', path: '/2' });
    await ask();
    const reader = follow('sleepy');
    for (let sleeps = 1; sleeps <= 3; sleeps += 1) {
      await until(() => reader.numbers().length === 2 * sleeps, 'the lines are told', 20_000);
      await daemon.untilApps(['sleepy/site'], 'sleeping');
      await ask();
    }
    await until(() => reader.numbers().length === 8, 'the last lines are told', 20_000);
    expect(reader.numbers()).toEqual(range(1, 8));
    expect([reader.dropped(), reader.said()]).toEqual([0, '']);
  });

  test('tell exactly how much was lost to a reader that stood still for too long', { timeout: 120_000 }, async () => {
    await printLines(1);
    await until(async () => (await daemon.ctl('logs', '-n', '1', 'acme/site')).stdout.includes('number'), 'it is in the file');
    const reader = follow('-n', '1', 'acme/site');
    await until(() => reader.numbers().length === 1, 'the reader follows');
    const [first = 0] = reader.numbers();
    await daemon.kill();
    for (let round = 0; round < 12; round += 1) await printLines(2_000);
    await daemon.start();
    const last = first + 24_000;
    await until(() => reader.numbers().at(-1) === last, 'the newest is told', 60_000);
    const numbers = reader.numbers();
    expect(reader.dropped()).toBeGreaterThan(1_000);
    expect(numbers.length + reader.dropped()).toBe(24_001);
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
  });

  test('are read back by time and number, awake and asleep', { timeout: 120_000 }, async () => {
    const since = new Date().toISOString();
    await printLines(3_000);
    const read = async (...args: string[]): Promise<LogLine[]> => {
      const { stdout, stderr, code } = await daemon.ctl('logs', '--json', 'acme', ...args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return (JSON.parse(stdout) as { lines: LogLine[] }).lines;
    };
    await until(async () => (await read('--since', since)).length >= 3_000, 'all of it is in the file');
    const all = (await read('--since', since)).filter(({ line }) => line.startsWith('number'));
    expect(all).toHaveLength(3_000);
    expect(await read('-n', '5')).toEqual((await read('-n', '2500')).slice(-5));
    const middle = all[1_500]?.time ?? '';
    expect(await read('--since', since, '--until', middle)).toEqual((await read('--since', since)).filter(({ time }) => time <= middle));
    const before = await read('-n', '1200');
    expect((await daemon.ctl('app', 'stop', 'acme/site')).code).toBe(0);
    expect((await read('-n', '1300')).filter(({ line }) => line.startsWith('number')).slice(-1_000)).toEqual(
      before.filter(({ line }) => line.startsWith('number')).slice(-1_000),
    );
  });
});
