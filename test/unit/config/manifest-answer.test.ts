import { describe, expect, test } from 'vitest';
import { type AppName, isAppName, isTenantName, type TenantName } from '../../../src/base/ids.ts';
import { type AppAnswer, parseManifestAnswer } from '../../../src/config/manifest-answer.ts';

function appName(text: string): AppName {
  if (!isAppName(text)) throw new Error(text);
  return text;
}

function tenantName(text: string): TenantName {
  if (!isTenantName(text)) throw new Error(text);
  return text;
}

const [api, site] = [appName('api'), appName('site')];
const manifest = {
  kind: 'node',
  entry: 'a.js',
  workers: { min: 1, max: 1 },
  env: {},
  drainMs: 0,
  startTimeoutMs: 1,
  compress: false,
  sandbox: 'default',
  schedule: [],
};

function parse(answer: unknown): Map<AppName, AppAnswer> {
  return parseManifestAnswer(answer, tenantName('acme'), [api, site], (app) => `/t/acme/apps/${app}/app.yaml`);
}

describe('the answer of a manifest job', () => {
  test('gives every app that was asked for its manifest', () => {
    const answers = parse({ apps: { site: { manifest, problems: [] }, api: { manifest, problems: [] } } });
    expect([...answers]).toEqual([
      [api, { manifest, problems: [] }],
      [site, { manifest, problems: [] }],
    ]);
  });

  test('that is bad for one app harms no other', () => {
    const answers = parse({
      apps: { site: { manifest: { ...manifest, entry: '/etc/passwd' }, problems: [] }, api: { manifest, problems: [] } },
    });
    expect(answers.get(api)).toEqual({ manifest, problems: [] });
    expect(answers.get(site)).toMatchObject({ problems: [{ code: 'TENANTD_E_JOB_FAILED', tenant: 'acme', app: 'site' }] });
    expect(answers.get(site)).not.toHaveProperty('manifest');
  });

  test('names no tenant, app or file of its own', () => {
    const problem = { code: 'TENANTD_E_YAML', message: 'm', fix: 'f', file: '/etc/shadow', app: 'other', line: 3 };
    expect(parse({ apps: { site: { problems: [problem] } } }).get(site)?.problems).toEqual([
      { code: 'TENANTD_E_YAML', message: 'm', fix: 'f', file: '/t/acme/apps/site/app.yaml', tenant: 'acme', app: 'site', line: 3 },
    ]);
  });

  test('can not act on a terminal, nor fill it', () => {
    const problem = { code: 'TENANTD_E_YAML', message: `\u001b]0;x\u0007${'a'.repeat(1_500)}`, fix: 'f' };
    const message = parse({ apps: { site: { problems: [problem] } } }).get(site)?.problems[0]?.message ?? '';
    expect(message).toMatch(/^\\u\{1b\}\]0;x\\u\{7\}a+…$/);
    expect(message.length).toBeLessThan(520);
  });

  test.each<[string, unknown]>([
    ['nothing', null],
    ['a list', []],
    ['apps that are a list', { apps: [] }],
    ['more keys', { apps: {}, more: 1 }],
    ['an app of the prototype', { apps: Object.create({ site: { problems: [] } }) as unknown }],
    ['an unknown code', { apps: { site: { problems: [{ code: 'EVIL', message: 'm', fix: 'f' }] } } }],
    [
      'a million problems',
      { apps: { site: { problems: Array.from({ length: 100_000 }, () => ({ code: 'TENANTD_E_YAML', message: '', fix: '' })) } } },
    ],
  ])('of %s is a failed job', (_, answer) => {
    expect(parse(answer).get(site)).toMatchObject({ problems: [{ code: 'TENANTD_E_JOB_FAILED' }] });
  });
});
