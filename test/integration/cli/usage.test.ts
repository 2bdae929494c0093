import { describe, expect, test } from 'vitest';
import { runTenantctl } from './run-tenantctl.ts';

test('help comes on stderr with exit code 2 when nothing was asked', async () => {
  const nothing = await runTenantctl([]);
  expect(nothing).toMatchObject({ exitCode: 2, stdout: '' });
  expect(nothing.stderr).toContain('Usage: tenantctl [options] [command]');
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
