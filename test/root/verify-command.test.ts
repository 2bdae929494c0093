import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { VerifyResult } from '../../src/protocol/verify.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { probeTenant } from './probe.ts';

describe('tenantctl verify', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startTestDaemon({ tenants: { alpha: probeTenant('alpha', ['site', 'shop']), beta: probeTenant('beta') } });
    await daemon.untilApps(['alpha/site', 'alpha/shop', 'beta/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  const parse = (text: string): VerifyResult => JSON.parse(text) as VerifyResult;

  test('attacks from sandboxes like those of each app, and of the tenant itself; each attack has an answer', async () => {
    const { checks } = parse((await daemon.ctl('verify', 'alpha', '--json')).stdout);
    expect([...new Set(checks.map(({ tenant }) => tenant))]).toEqual(['alpha']);
    const attacks = Map.groupBy(
      checks.filter(({ id }) => id.startsWith('probe.')),
      ({ subject }) => subject,
    );
    expect([...attacks.keys()].toSorted()).toEqual(['app shop', 'app site', 'its user']);
    for (const own of attacks.values()) expect(own.length).toBeGreaterThan(80);
    expect(checks.filter(({ actual }) => /no answer|refused to run|no sandbox|answered more/.test(actual))).toEqual([]);
    // What an attack would reach is there: a decoy on the loopback, another tenant's files and processes.
    const ids = checks.map(({ id }) => id);
    for (const kind of ['probe.file.', 'probe.process.', 'probe.network.'])
      expect(ids.filter((id) => id.startsWith(kind)).length).toBeGreaterThan(3);
    expect(checks.filter(({ id, ok }) => !ok && !id.startsWith('probe.'))).toEqual([]);
  });

  test('does not count its own attackers among what runs amiss, and leaves none', async () => {
    const [, attacked] = await Promise.all([daemon.ctl('verify', 'beta', '--json'), daemon.ctl('verify', 'beta', '--passive', '--json')]);
    expect(parse(attacked.stdout).checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(readdirSync(`${daemon.directory}/run/sandboxes`).filter((name) => name.startsWith('p.'))).toEqual([]);
  });

  test('writes a report of each tenant, dated, for people and for programs', async () => {
    const folder = `${daemon.directory}/evidence`;
    const { code, stderr } = await daemon.ctl('verify', '--passive', '--report', folder);
    expect(code).toBe(0);
    const names = readdirSync(folder).toSorted();
    expect(names.map((name) => name.replace(/-\d{4}-\d\d-\d\dT\d{6}Z/, '-DATE'))).toEqual(
      ['alpha', 'beta', 'tenantd'].flatMap((name) => [`${name}-DATE.json`, `${name}-DATE.md`]),
    );
    for (const name of names) expect(stderr).toContain(`wrote ${folder}/${name}`);
    const text = readFileSync(`${folder}/${names.find((name) => /^alpha.*md$/.test(name))}`, 'utf8');
    expect(text).toContain('# Isolation of tenant alpha');
    expect(text).not.toContain('beta');
    const document = JSON.parse(readFileSync(`${folder}/${names.find((name) => /^alpha.*json$/.test(name))}`, 'utf8')) as VerifyResult & {
      tenant: string;
    };
    expect(document).toMatchObject({ tenant: 'alpha', ok: true });
    expect(new Set(document.checks.map(({ tenant }) => tenant))).toEqual(new Set(['alpha']));
  });

  test('says that a tenant is not there, and where a report can not be written', async () => {
    expect(await daemon.ctl('verify', 'gamma')).toMatchObject({ code: 1, stderr: expect.stringContaining('TENANTD_E_NO_SUCH_TENANT') });
    const { code, stderr } = await daemon.ctl('verify', 'beta', '--passive', '--report', `${daemon.configFile}/evidence`);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('TENANTD_E_FILE_UNWRITABLE') });
  });
});

test('a layer that the operator waived is said first, counted, and no failure', async () => {
  const wrapper = ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', 'mount -t tmpfs none /sys/fs/cgroup; exec "$@"', 'sh'];
  await using daemon = await startTestDaemon({
    tenants: { alpha: probeTenant('alpha') },
    config: 'isolation: { without: [resources] }',
    wrapper,
  });
  await daemon.untilApps(['alpha/site']);
  const text = await daemon.ctl('verify', '--passive');
  expect(text).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^WAIVED by isolation\.without: 1 layer .*\n {2}resources: missing: /),
  });
  const { ok, checks } = JSON.parse((await daemon.ctl('verify', '--passive', '--json')).stdout) as VerifyResult;
  expect(ok).toBe(true);
  expect(checks.filter((check) => !check.ok)).toEqual([
    expect.objectContaining({ tenant: 'alpha', layer: 'resources', id: 'resources.waived', waived: true }),
  ]);
});
