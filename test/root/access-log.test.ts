import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { AccessLine, AccessLogsResult } from '../../src/protocol/access.ts';
import { request } from '../support/client.ts';
import { repositoryPath, startTestDaemon, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const answers = (path: string): TenantFiles => ({
  [`apps/${path}/package.json`]: '{ "main": "server.js" }',
  [`apps/${path}/server.js`]: `require('node:http').createServer((request, response) => response.end('hello')).listen(3000);`,
});

describe('access logs', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await startTestDaemon({
      config: 'edge: { processes: 2 }',
      tenants: {
        acme: {
          'tenant.yaml': 'domains: [acme.test]\n',
          ...answers('site'),
          ...answers('api'),
          'apps/site/app.yaml': 'routes: [acme.test/]\n',
          'apps/api/app.yaml': 'routes: [acme.test/api]\n',
        },
        globex: { 'tenant.yaml': 'domains: [globex.test]\n', ...answers('site') },
      },
    });
    await daemon.untilApps(['acme/site', 'acme/api', 'globex/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  const ask = (path: string, host = 'acme.test', headers: Record<string, string> = {}) => request(daemon.port, { host, path, headers });

  async function logged(source: string): Promise<AccessLine[]> {
    const { stdout, stderr, code } = await daemon.ctl('logs', '--access', '--json', source);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return (JSON.parse(stdout) as AccessLogsResult).lines.filter((line): line is AccessLine => 'path' in line);
  }

  /** The edges write once a second. */
  async function untilLogged(source: string, path: string): Promise<AccessLine> {
    let found: AccessLine | undefined;
    await until(async () => (found = (await logged(source)).find((line) => line.path === path)) !== undefined, `${path} is logged`);
    return found as AccessLine;
  }

  test('show a request, with nothing of it that is secret', async () => {
    const secrets = { cookie: 'session=hush-1', authorization: 'Bearer hush-2', referer: 'http://x/?hush-3' };
    await ask('/first?token=hush-4', 'acme.test', secrets);
    const line = await untilLogged('acme', '/first');
    expect(line).toMatchObject({
      ...{ client: '127.0.0.1', method: 'GET', host: 'acme.test', status: 200, bytesIn: 0, bytesOut: 5, app: 'site', release: 'local' },
      ...{ protocol: 'HTTP/1.1', outcome: 'ok' },
    });
    expect(Date.now() - Date.parse(line.time)).toBeLessThan(60_000);
    expect(line.appMs).toBeGreaterThan(0);
    expect(line.ms).toBeGreaterThanOrEqual(line.appMs ?? NaN);
    expect(line.requestId).toMatch(/^[0-9a-f]{24}$/);
    expect((await daemon.ctl('logs', '--access', '--json', 'acme')).stdout).not.toContain('hush');
  });

  test('are for people, too', async () => {
    await ask('/readable');
    await untilLogged('acme', '/readable');
    const { stdout } = await daemon.ctl('logs', '--access', 'acme');
    expect(stdout).toMatch(/^\S+ \S+Z {2}200 {2}GET acme\.test\/readable {2}\d+\.\d ms \(app \d+\.\d\) {2}5 B {2}127\.0\.0\.1$/m);
  });

  test("are a tenant's, and an app's", async () => {
    await Promise.all([ask('/api/one'), ask('/one'), ask('/one', 'globex.test')]);
    await Promise.all([untilLogged('acme/api', '/api/one'), untilLogged('acme/site', '/one'), untilLogged('globex', '/one')]);
    expect(new Set((await logged('acme/api')).map(({ app }) => app))).toEqual(new Set(['api']));
    expect(new Set((await logged('acme')).map(({ host }) => host))).toEqual(new Set(['acme.test']));
    expect(await logged('globex')).toHaveLength(1);
  });

  test("of requests for nobody are the operator's", async () => {
    expect((await ask('/nobody', 'unknown.test')).status).toBe(421);
    const folder = `${daemon.directory}/logs/_edge/-`;
    const text = (): string =>
      readdirSync(folder)
        .map((name) => readFileSync(`${folder}/${name}`, 'utf8'))
        .join('');
    await until(() => text().includes('/nobody'), 'it is in a file');
    const lines = text()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as AccessLine);
    expect(lines.find(({ path }) => path === '/nobody')).toMatchObject({ host: 'unknown.test', status: 421, outcome: 'misdirected' });
  });

  test('come from every edge process, merged by time', async () => {
    const folder = `${daemon.directory}/logs/_edge/acme`;
    let asked = 0;
    const both = (): boolean => ['access.0.log', 'access.1.log'].every((name) => existsSync(`${folder}/${name}`));
    await until(async () => {
      // One connection each: the kernel gives them to either.
      await Promise.all(Array.from({ length: 20 }, () => ask(`/spread/${asked++}`)));
      return both();
    }, 'both have written');
    await untilLogged('acme', `/spread/${asked - 1}`);
    const times = (await logged('acme')).map(({ time }) => time);
    expect(times).toEqual(times.toSorted());
  });

  test('lie where only the edges write, in folders that root named', async () => {
    const { edge } = await daemon.status();
    const { uid } = statSync(`/proc/${edge.processes[0]?.pid}`);
    const factsOf = (path: string) => {
      const stat = statSync(`${daemon.directory}/logs/${path}`);
      return { uid: stat.uid, mode: (stat.mode & 0o7777).toString(8) };
    };
    expect(uid).not.toBe(0);
    expect(factsOf('_edge')).toEqual({ uid: 0, mode: '750' });
    expect(factsOf('_edge/acme')).toEqual({ uid, mode: '750' });
    expect(factsOf('_edge/acme/access.0.log')).toEqual({ uid, mode: '640' });
  });

  describe('followed', () => {
    function follow(...args: string[]): { child: ChildProcess; printed: () => string } {
      const program = [repositoryPath('dist/tenantctl.js'), '--config', daemon.configFile, 'logs', '--access', '-f', ...args];
      const child = spawn(process.execPath, program, { stdio: ['ignore', 'pipe', 'inherit'], env: { NO_COLOR: '1' } });
      onTestFinished(() => void child.kill('SIGKILL'));
      let printed = '';
      child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
      return { child, printed: () => printed };
    }

    const jobs = (): string[] => readdirSync(`${daemon.directory}/run/sandboxes`).filter((name) => /^j\..*\.json$/.test(name));

    test('show requests as they come, until the reader is gone', async () => {
      await ask('/before');
      await untilLogged('acme', '/before');
      const { child, printed } = follow('--json', '-n', '1', 'acme/site');
      await until(() => printed().includes('\n'), 'it has begun');
      await ask('/after');
      await ask('/api/other');
      await until(() => printed().includes('/after'), 'the request is shown');
      const lines = printed()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as AccessLine);
      expect(lines.map(({ path }) => path)).toEqual(['/before', '/after']);
      expect(jobs()).toHaveLength(1);
      child.kill('SIGINT');
      await until(() => jobs().length === 0, 'its job has ended');
      await until(() => child.exitCode !== null, 'its reader has ended');
      expect(child.exitCode).toBe(0);
    });

    test('by more readers than there may be are refused', async () => {
      const readers = Array.from({ length: 4 }, () => follow('acme'));
      await until(() => readers.every(({ printed }) => printed() !== ''), 'all have begun', 30_000);
      const { code, stderr } = await daemon.ctl('logs', '--access', '-f', 'acme');
      expect(code).toBe(1);
      expect(stderr).toContain('4 readers follow the access logs of acme');
      for (const { child } of readers) child.kill('SIGINT');
      await until(() => jobs().length === 0, 'their jobs have ended', 30_000);
    });
  });
});
