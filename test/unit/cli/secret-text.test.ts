import { describe, expect, test } from 'vitest';
import { renderMachineKeyRotation, renderRotation, renderSecretChange, renderSecrets } from '../../../src/cli/secret-text.ts';
import type { SecretInfo } from '../../../src/protocol/secret-calls.ts';

const nowMs = Date.UTC(2026, 10, 21, 12);
const layout = { width: 80, paint: (_: unknown, text: string) => text, nowMs };
const secret = (changes: Partial<SecretInfo> = {}): SecretInfo => ({
  ...{ name: 'DATABASE_URL', setAt: new Date(nowMs - 3_600_000).toISOString(), setBy: 'operator', keyVersion: 1 },
  ...changes,
});

describe('the list of secrets', () => {
  test('says for whom each is, when it was set, and by whom', () => {
    const secrets = [secret(), secret({ name: 'STRIPE_KEY', app: 'site', setAt: '2026-09-01T00:00:00.000Z', keyVersion: 12 })];
    expect(renderSecrets({ tenant: 'acme' }, { secrets, problems: [] }, layout)).toBe(
      [
        'NAME          FOR       SET            BY        DATA KEY',
        'DATABASE_URL  all apps  1 h 0 min ago  operator  1',
        'STRIPE_KEY    site      81 d ago       operator  12',
        '',
      ].join('\n'),
    );
  });

  test('fits into 80 columns with the longest names', () => {
    const secrets = [secret({ name: 'A'.repeat(64), app: 'b'.repeat(32), setBy: 'operator' })];
    const text = renderSecrets({ tenant: 'acme' }, { secrets, problems: [] }, layout);
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  test('says how to set one where there is none, and what is wrong', () => {
    const problems = [{ code: 'TENANTD_E_SECRETS' as const, message: 'the key is missing', fix: 'put it back' }];
    expect(renderSecrets({ tenant: 'acme', app: 'site' }, { secrets: [], problems }, layout)).toBe(
      'acme/site has no secrets: tenantctl secret set acme/site KEY\n  TENANTD_E_SECRETS\n    the key is missing\n    fix: put it back\n',
    );
  });
});

describe('the answer to a change', () => {
  const target = { tenant: 'acme', app: 'site', name: 'API_KEY' };

  test.each([
    ['set', { apps: ['site'], waited: true }, 'acme/site: API_KEY is set; new workers of site serve with it\n'],
    ['set', { apps: ['site'], waited: false }, 'acme/site: API_KEY is set; new workers of site will serve with it\n'],
    ['set', { apps: [], waited: true }, 'acme/site: API_KEY is set; no app that runs is concerned\n'],
    ['set', { apps: [], waited: true, appIsMissing: true }, 'acme/site: API_KEY is set; acme has no such app yet\n'],
    ['remove', { apps: ['a', 'b'], waited: true }, 'acme/site: API_KEY is removed; new workers of a, b serve without it\n'],
  ] as const)('%s %o', (verb, result, text) => {
    expect(renderSecretChange(verb, target, { ...result, apps: [...result.apps] }, layout)).toBe(text);
  });
});

test('the answers to rotations count', () => {
  expect(renderRotation({ tenants: [] })).toBe('nothing to rotate: there are no secrets\n');
  expect(renderRotation({ tenants: [{ tenant: 'acme', secrets: 1 }] })).toBe('acme: a new key for 1 secret\n');
  expect([0, 1, 2].map((tenants) => renderMachineKeyRotation({ tenants }))).toEqual([
    'nothing to rotate: there are no secrets\n',
    'a new machine key, for the keys of 1 tenant\n',
    'a new machine key, for the keys of 2 tenants\n',
  ]);
});
