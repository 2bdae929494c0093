import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Problem } from '../../src/base/problem.ts';
import { setSecret } from '../support/set-secret.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { pidOf } from './probe.ts';
import { secretApp, showSecret } from './secret-apps.ts';

describe('a machine whose key for secrets is lost', () => {
  let daemon: TestDaemon;
  let key: Buffer;
  const keyFile = (): string => `${daemon.directory}/state/machine.key`;
  const problemOf = async (tenant: string): Promise<Problem | undefined> =>
    (await daemon.tenant(tenant)).problems.find(({ code }) => code === 'TENANTD_E_SECRETS');

  beforeAll(async () => {
    const tenant = (name: string) => ({ 'tenant.yaml': `domains: [${name}.test]\n`, ...secretApp('site', `${name}.test`) });
    daemon = await startTestDaemon({ tenants: { acme: tenant('acme'), free: tenant('free') } });
    await daemon.untilApps(['acme/site', 'free/site']);
    await setSecret(daemon, 'acme', 'API_KEY', 'the-value');
    key = readFileSync(keyFile());
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test('had it in a file of 32 bytes that root alone can read', () => {
    expect([key.length, statSync(keyFile()).mode & 0o777]).toEqual([32, 0o600]);
  });

  test('goes on with the workers that run, and says at once that something is wrong', async () => {
    const pid = await pidOf(daemon, 'acme/site');
    await daemon.kill();
    rmSync(keyFile());
    await daemon.start();
    expect((await problemOf('acme'))?.message).toMatch(/^the machine's key [0-9a-f]{16}, for the secrets of acme, is missing/);
    expect(await problemOf('free')).toBeUndefined();
    expect(await pidOf(daemon, 'acme/site')).toBe(pid);
    expect((await showSecret(daemon, 'acme.test', 'API_KEY')).variable).toBe('the-value');
  });

  test('starts no worker without its secrets, all others, and puts nothing in the place of the key', async () => {
    await daemon.stop();
    writeFileSync(keyFile(), randomBytes(32), { mode: 0o600 });
    const wrong = readFileSync(keyFile());
    await daemon.start();
    await daemon.untilApps(['free/site']);
    await daemon.untilApps(['acme/site'], 'failed');
    expect((await daemon.app('acme', 'site')).reason).toContain("the machine's key");
    expect((await daemon.app('acme', 'site')).workers).toEqual([]);
    expect((await problemOf('acme'))?.message).toContain('is another one');
    for (const tenant of ['acme', 'free']) {
      const refused = await setSecret(daemon, tenant, 'NEW', 'x');
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('TENANTD_E_SECRETS')]);
    }
    for (const args of [['--machine-key'], ['acme']]) expect((await daemon.ctl('secret', 'rotate', ...args)).code).toBe(1);
    expect(readFileSync(keyFile())).toEqual(wrong);
  });

  test('is well again when the key is back', async () => {
    writeFileSync(keyFile(), key);
    expect((await daemon.ctl('app', 'restart', 'acme/site')).code).toBe(0);
    await until(async () => (await problemOf('acme')) === undefined, 'the problem is over');
    expect((await showSecret(daemon, 'acme.test', 'API_KEY')).variable).toBe('the-value');
  });
});
