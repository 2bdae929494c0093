import { describe, expect, test } from 'vitest';
import { TenantdError } from '../../../src/base/errors.ts';
import type { ReloadResult, Status } from '../../../src/protocol/control.ts';
import { startControlPeer } from './control-peer.ts';
import { runInTerminal, runTenantctl } from './run-tenantctl.ts';

const status: Status = {
  version: '0.1.0',
  pid: 42,
  startedAt: '2026-01-01T12:00:00.000Z',
  certs: { pid: 0 },
  edge: { processes: [{ pid: 43 }], http: ['127.0.0.1:8080'], https: [] },
  problems: [],
  tenants: [
    {
      name: 'acme',
      uid: 200_000,
      state: 'running',
      since: '2026-01-01T00:00:00.000Z',
      plan: 'starter',
      domains: ['acme.localhost'],
      problems: [
        {
          code: 'TENANTD_E_FOREIGN_HOST',
          message: 'globex.example is not its domain',
          fix: 'add it',
          file: 'app.yaml',
          line: 2,
          column: 10,
        },
      ],
      hostPid: 44,
      memoryBytes: 40_000_000,
      cpuSeconds: 0.5,
      apps: [
        {
          name: 'site',
          kind: 'node',
          state: 'failed',
          since: '2026-01-01T00:00:00.000Z',
          reason: 'exited with code 1 after 120 ms',
          lastLines: ['Error: \u001b[31mno database\u001b[0m'],
          release: 'local',
          urls: ['http://acme.localhost:8080/'],
          restarts: 3,
          workers: [],
        },
      ],
    },
  ],
};

const noSuchTenant = () => {
  throw new TenantdError('TENANTD_E_NO_SUCH_TENANT', 'there is no tenant initech', 'see tenantctl status');
};

describe('status', () => {
  test('shows tenants, apps and problems in 80 columns, without colour', async () => {
    const { configFile, calls } = await startControlPeer({ status: () => status });
    const { exitCode, stdout, stderr } = await runTenantctl(['--config', configFile, 'status']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(calls).toEqual([{ method: 'status', params: {} }]);
    for (const part of [
      'acme  failed',
      'site  node',
      'http://acme.localhost:8080/',
      'exited with code 1',
      '| Error: no database',
      'app.yaml:2:10',
      'fix: add it',
    ])
      expect(stdout).toContain(part.replace('acme  failed', 'acme  running'));
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    // oxlint-disable-next-line no-control-regex -- they are what it is about
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });

  test.each([[['--json', 'status']], [['status', '--json']]])('%j prints exactly the document of the daemon', async (args) => {
    const { configFile } = await startControlPeer({ status: () => status });
    const { exitCode, stdout, stderr } = await runTenantctl(args, { TENANTD_CONFIG: configFile });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual(status);
  });

  test('asks for one tenant', async () => {
    const { configFile, calls } = await startControlPeer({ status: () => status });
    const { stdout } = await runTenantctl(['status', 'acme', '--config', configFile]);
    expect(calls).toEqual([{ method: 'status', params: { tenant: 'acme' } }]);
    expect(stdout).toContain('  domains: acme.localhost\n');
  });

  test('an unknown tenant is an error with code and fix', async () => {
    const { configFile } = await startControlPeer({ status: noSuchTenant });
    const plain = await runTenantctl(['status', 'initech', '--config', configFile]);
    expect(plain).toMatchObject({ exitCode: 1, stdout: '' });
    expect(plain.stderr).toBe('tenantctl: there is no tenant initech (TENANTD_E_NO_SUCH_TENANT)\n  fix: see tenantctl status\n');
    const json = await runTenantctl(['status', 'initech', '--config', configFile, '--json']);
    expect(json.exitCode).toBe(1);
    expect(JSON.parse(json.stdout)).toEqual({
      error: { code: 'TENANTD_E_NO_SUCH_TENANT', message: 'there is no tenant initech', fix: 'see tenantctl status' },
    });
  });

  test('is coloured on a terminal, and never with NO_COLOR', async () => {
    const { configFile } = await startControlPeer({ status: () => status });
    const args = ['status', '--config', configFile];
    const [coloured, plain] = [await runInTerminal(args), await runInTerminal(args, { NO_COLOR: '1' })];
    expect(coloured).toContain('\u001b[31mfailed');
    expect(plain).toContain('failed');
    expect(plain).not.toContain('\u001b');
  });
});

describe('app', () => {
  test.each([
    ['restart', 'restarted'],
    ['stop', 'stopped'],
    ['start', 'started'],
  ])('%s asks the daemon, and says when it is done', async (operation, done) => {
    const { configFile, calls } = await startControlPeer({ [`app-${operation}`]: () => null });
    const args = ['app', operation, 'acme/site', '--config', configFile];
    expect(await runTenantctl(args)).toEqual({ exitCode: 0, stdout: `acme/site: ${done}\n`, stderr: '' });
    const json = await runTenantctl([...args, '--json']);
    expect(JSON.parse(json.stdout)).toEqual({ ok: true, tenant: 'acme', app: 'site' });
    expect(calls).toEqual(Array.from({ length: 2 }, () => ({ method: `app-${operation}`, params: { tenant: 'acme', app: 'site' } })));
  });

  test('tells why an app did not start', async () => {
    const { configFile } = await startControlPeer({
      'app-start': () => {
        throw new TenantdError('TENANTD_E_APP_FAILED', 'exited with code 1', 'see its log');
      },
    });
    const { exitCode, stderr } = await runTenantctl(['app', 'start', 'acme/site', '--config', configFile]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('exited with code 1 (TENANTD_E_APP_FAILED)');
  });
});

describe('reload', () => {
  const nothing: ReloadResult = { added: [], changed: [], removed: [], problems: [] };

  test('says what changed, and which problems there are', async () => {
    const problem = { code: 'TENANTD_E_YAML', message: 'not YAML', fix: 'correct it', file: 'tenant.yaml', line: 1, column: 2 } as const;
    const result: ReloadResult = { ...nothing, added: ['acme'], removed: ['globex', 'initech'], problems: [problem] };
    const { configFile } = await startControlPeer({ reload: () => result });
    const { exitCode, stdout } = await runTenantctl(['reload', '--config', configFile]);
    expect(exitCode).toBe(0);
    expect(stdout).toBe('added: acme\nremoved: globex, initech\nTENANTD_E_YAML  tenant.yaml:1:2\n  not YAML\n  fix: correct it\n');
    expect(JSON.parse((await runTenantctl(['reload', '--config', configFile, '--json'])).stdout)).toEqual(result);
  });

  test('asks for new edges only when it is told to, and says how many old ones finish', async () => {
    const asked: unknown[] = [];
    const edges = { processes: [{ pid: 11 }, { pid: 12 }], finishing: 1 };
    const { configFile } = await startControlPeer({
      reload: (params) => {
        asked.push(params);
        return { ...nothing, edges };
      },
    });
    const { stdout } = await runTenantctl(['reload', '--edges', '--config', configFile]);
    expect(stdout).toBe('nothing changed since the files were read last\n2 new edge processes serve; 1 old one finishes what is open\n');
    await runTenantctl(['reload', '--config', configFile]);
    expect(asked).toEqual([{ edges: true }, {}]);
  });

  test('says so when nothing changed', async () => {
    const { configFile } = await startControlPeer({ reload: () => nothing });
    expect((await runTenantctl(['reload', '--config', configFile])).stdout).toBe('nothing changed since the files were read last\n');
  });
});
