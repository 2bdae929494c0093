import { describe, expect, test } from 'vitest';
import type { Problem } from '../../../src/base/problem.ts';
import { type DaemonPicture, findChanges, type TenantDiffPicture } from '../../../src/daemon/diff.ts';

const nothing = { from: undefined, to: undefined };
const quiet: DaemonPicture = { file: '/etc/tenantd.yaml', problems: [], restart: nothing, edges: nothing };
const value = { domains: ['acme.example'], plan: 'starter', limits: { memory: '256M' } };
const same: TenantDiffPicture = {
  tenant: 'acme',
  disk: { value, problems: [], apps: ['site'] },
  applied: { value, apps: ['site'] },
  refused: [],
  apps: [{ app: 'site', stopped: false, problems: [] }],
};

const problem = (message: string): Problem => ({ code: 'TENANTD_E_YAML', message, fix: '', file: '/t/acme/tenant.yaml', line: 3 });

function changesOf(tenant: Partial<TenantDiffPicture>): unknown[] {
  return findChanges({ daemon: quiet, tenants: [{ ...same, ...tenant }] });
}

function valuesOf(picture: Parameters<typeof findChanges>[0]): unknown[] {
  return findChanges(picture).map(({ what, from, to }) => [what, from, to]);
}

test('nothing is told where all is as the files say', () => {
  expect(changesOf({})).toEqual([]);
});

describe('a tenant', () => {
  test('a broken file tells what it would change, and why it does not', () => {
    const broken = { domains: ['acme.example', 'new.example'], plan: 'nowhere', limits: { memory: '256M', disk: '1G' } };
    expect(changesOf({ disk: { value: broken, problems: [problem('there is no plan "nowhere"')], apps: ['site'] } })).toEqual(
      [
        { what: 'domains', from: null, to: 'new.example' },
        { what: 'plan', from: 'starter', to: 'nowhere' },
        { what: 'limits.disk', from: null, to: '1G' },
      ].map((change) => ({
        ...change,
        tenant: 'acme',
        why: 'tenant.yaml is broken: /t/acme/tenant.yaml:3: there is no plan "nowhere"',
      })),
    );
  });

  test('a file that is no YAML, or has gone, keeps the last good version', () => {
    expect(changesOf({ disk: { value: undefined, problems: [problem('not valid')], apps: ['site'] } })).toEqual([
      expect.objectContaining({ what: 'tenant.yaml', from: 'the last good version', to: null }),
    ]);
    expect(
      changesOf({ applied: undefined, disk: { value: undefined, problems: [problem('not valid')], apps: [] }, apps: [] } as never),
    ).toEqual([expect.objectContaining({ what: 'tenant.yaml', from: null, to: null })]);
  });

  test('what was not looked at yet: a value, a folder, an app', () => {
    const { disk: _, ...gone } = same;
    const { applied: __, ...come } = same;
    const why = 'not carried out yet: tenantctl reload';
    expect(findChanges({ daemon: quiet, tenants: [gone] })).toEqual([{ tenant: 'acme', what: 'tenant', from: 'there', to: null, why }]);
    expect(findChanges({ daemon: quiet, tenants: [come] })).toEqual([{ tenant: 'acme', what: 'tenant', from: null, to: 'there', why }]);
    expect(changesOf({ disk: { value: { ...value, plan: 'large' }, problems: [], apps: ['other'] } })).toEqual([
      { tenant: 'acme', what: 'plan', from: 'starter', to: 'large', why },
      { tenant: 'acme', app: 'site', what: 'app', from: 'there', to: null, why },
      { tenant: 'acme', app: 'other', what: 'app', from: null, to: 'there', why },
    ]);
  });

  test('apps that cannot be told are no change', () => {
    expect(changesOf({ disk: { value, problems: [], apps: undefined } })).toEqual([]);
  });

  test('marks, and domains that another tenant has', () => {
    expect(
      changesOf({
        mark: { state: 'suspended', by: 'operator', since: '2026-11-21T00:00:00.000Z', reason: 'unpaid' },
        refused: [{ domain: 'b.example', why: 'another tenant has it' }],
      }),
    ).toEqual([
      { tenant: 'acme', what: 'domains', from: null, to: 'b.example', why: 'another tenant has it' },
      { tenant: 'acme', what: 'state', from: 'suspended', to: 'in service', why: 'by operator since 2026-11-21T00:00:00.000Z: unpaid' },
    ]);
  });

  test('an app that was stopped, scaled, deployed, or has a broken app.yaml', () => {
    const app = {
      ...{ app: 'site', stopped: true, releaseOverLocal: '20261121-120000-abcd' },
      scale: { workers: 3, manifest: { min: 1, max: 2 } },
      problems: [{ ...problem('`kind` must be one of'), file: '/t/acme/apps/site/app.yaml' }],
    };
    const changes = findChanges({ daemon: quiet, tenants: [{ ...same, apps: [app] }] });
    expect(new Set(changes.map((change) => change.app))).toEqual(new Set(['site']));
    expect(changes.map(({ what, from, to, why }) => [what, from, to, why])).toEqual([
      ['app.yaml', 'the last good version', null, 'not carried out: /t/acme/apps/site/app.yaml:3: `kind` must be one of'],
      ['state', 'stopped', 'running', 'tenantctl app stop'],
      ['workers', '3', '1 to 2', 'tenantctl app scale'],
      ['release', '20261121-120000-abcd', 'local', 'the folder has files of its own beside its releases'],
    ]);
  });

  test('a template that changed since, and one that can not be applied', () => {
    const files = [
      { path: 'tenant.yaml', kind: 'change' },
      { path: 'apps/site/new.html', kind: 'add' },
      { path: 'apps/site/a.css', kind: 'change', conflict: 'it was changed since' },
    ] as const;
    expect(changesOf({ template: { name: 'web', files } })).toEqual([
      { tenant: 'acme', what: 'tenant.yaml', from: 'as it was made', to: 'another content', why: 'tenantctl template apply web acme' },
      { tenant: 'acme', app: 'site', what: 'apps/site/new.html', from: null, to: 'a new file', why: 'tenantctl template apply web acme' },
      {
        ...{ tenant: 'acme', app: 'site', what: 'apps/site/a.css', from: "the operator's", to: 'another content' },
        why: 'template web, left alone: it was changed since',
      },
    ]);
    expect(changesOf({ template: { name: 'web', files: [], fault: 'there is no variable "x"' } })).toEqual([
      { tenant: 'acme', what: 'template', from: 'web', to: null, why: 'it can not be applied: there is no variable "x"' },
    ]);
  });
});

describe('tenantd itself', () => {
  test('a broken tenantd.yaml', () => {
    const daemon = { ...quiet, problems: [{ ...problem('the file is empty'), file: '/etc/tenantd.yaml' }] };
    expect(findChanges({ daemon, tenants: [] })).toEqual([
      { tenant: '', what: 'tenantd.yaml', from: 'the last good version', to: null, why: 'broken: /etc/tenantd.yaml:3: the file is empty' },
    ]);
  });

  test('what a restart changes, and what new edges do', () => {
    const restart = {
      from: { http: { listen: [{ host: '::', port: 80 }] }, logs: { keep: 5 } },
      to: { http: { listen: [] }, logs: { keep: 7 } },
    };
    const edges = { from: { edge: { processes: 1 } }, to: { edge: { processes: 2 } } };
    expect(valuesOf({ daemon: { ...quiet, restart, edges }, tenants: [] })).toEqual([
      ['http.listen', '{"host":"::","port":80}', null],
      ['logs.keep', '5', '7'],
      ['edge.processes', '1', '2'],
    ]);
  });

  test('a section that came or went is told key by key', () => {
    expect(valuesOf({ daemon: { ...quiet, restart: { from: {}, to: { https: { listen: ['a'] } } } }, tenants: [] })).toEqual([
      ['https.listen', null, 'a'],
    ]);
    expect(valuesOf({ daemon: { ...quiet, restart: { from: { a: { b: 1 } }, to: { a: 'x' } } }, tenants: [] })).toEqual([
      ['a', '{"b":1}', 'x'],
    ]);
  });
});
