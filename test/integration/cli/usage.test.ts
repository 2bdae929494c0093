import { describe, expect, test } from 'vitest';
import { runTenantctl } from './run-tenantctl.ts';

const commands = [
  'status',
  'check',
  'reload',
  'logs',
  'grants',
  'app',
  'app deploy',
  'app rollback',
  'app releases',
  'app restart',
  'app stop',
  'app start',
  'domain',
  'domain list',
  'domain add',
  'domain remove',
  'domain check',
  'cert',
  'cert list',
  'cert renew',
  'cert ca',
  'secret',
  'secret set',
  'secret list',
  'secret remove',
  'secret rotate',
  'schedule',
  'schedule list',
  'schedule run',
  'schedule history',
  'token',
  'token create',
  'token list',
  'token revoke',
  'proposal',
  'proposal list',
  'proposal show',
  'approve',
  'deny',
  'doctor',
  'verify',
  'shell',
  'exec',
  'schema',
  'ssh-command',
];

describe('help', () => {
  test('lists what there is, and fits 80 columns', async () => {
    const { exitCode, stdout, stderr } = await runTenantctl(['--help']);
    expect([exitCode, stderr]).toEqual([0, '']);
    const listed = [...stdout.matchAll(/^ {2}([a-z-]+)\b/gm)].map(([, name]) => name);
    expect(listed).toEqual([...commands.filter((name) => !name.includes(' ')), 'help']);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test.each(commands)('%s explains itself, with --json and --config', async (command) => {
    const { exitCode, stdout, stderr } = await runTenantctl([...command.split(' '), '--help']);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`Usage: tenantctl ${command} `);
    expect(stdout).toMatch(/--json/);
    expect(stdout).toMatch(/--config <file>/);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test.each(commands.filter((command) => !commands.some((other) => other.startsWith(`${command} `))))(
    '%s has an example, and is what an error points to',
    async (command) => {
      const [help, wrong] = await Promise.all(['--help', '--frobnicate'].map((option) => runTenantctl([...command.split(' '), option])));
      expect(help?.stdout).toMatch(new RegExp(`^Example: (sudo )?tenantctl ${command}\\b`, 'm'));
      expect(wrong?.stderr).toContain(`  fix: see tenantctl ${command} --help\n`);
    },
  );

  test('comes on stderr with exit code 2 when nothing was asked', async () => {
    const nothing = await runTenantctl([]);
    expect(nothing).toMatchObject({ exitCode: 2, stdout: '' });
    expect(nothing.stderr).toContain('Usage: tenantctl [options] [command]');
    expect(await runTenantctl(['app'])).toMatchObject({ exitCode: 2, stdout: '' });
  });
});

test('--version prints the version', async () => {
  expect(await runTenantctl(['--version'])).toEqual({ exitCode: 0, stdout: 'dev\n', stderr: '' });
});

describe('wrong usage', () => {
  test.each([
    [['frobnicate']],
    [['statsu']],
    [['--frobnicate', 'status']],
    [['status', '--frobnicate']],
    [['status', 'a', 'b']],
    [['logs']],
    [['logs', '-n', 'many', 'acme']],
    [['logs', '-n', '-1', 'acme']],
    [['logs', '-n', '10001', 'acme']],
    [['logs', 'acme/site/x']],
    [['app', 'explode', 'acme/site']],
    [['app', 'restart']],
    [['app', 'restart', 'acme']],
    [['domain', 'add']],
    [['domain', 'add', 'acme']],
    [['domain', 'add', 'acme', '--from']],
    [['domain', 'remove', 'acme']],
    [['domain', 'check']],
    [['domain', 'check', 'a.example', 'b.example']],
    [['cert', 'explode']],
    [['cert', 'renew']],
    [['cert', 'ca', 'acme']],
    [['schema']],
    [['schema', 'plan']],
    [['status', '--config']],
  ])('%j exits with 2 and says why', async (args) => {
    const { exitCode, stdout, stderr } = await runTenantctl(['--json', ...args]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^tenantctl: .+ \(TENANTD_E_USAGE\)\n {2}fix: .+\n$/);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'TENANTD_E_USAGE', message: expect.stringMatching(/./), fix: expect.stringMatching(/./) },
    });
  });

  test('a mistyped command is recognised', async () => {
    const { exitCode, stdout, stderr } = await runTenantctl(['statsu']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain('Did you mean status?');
  });
});

describe('schema', () => {
  test.each(['daemon', 'tenant', 'app'])('%s prints a JSON Schema, and needs no configuration', async (file) => {
    const plain = await runTenantctl(['schema', file, '--config', '/nonexistent']);
    expect(plain).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(plain.stdout)).toMatchObject({ type: 'object', properties: expect.any(Object) });
    expect((await runTenantctl(['schema', file, '--json'])).stdout).toBe(plain.stdout);
  });
});
