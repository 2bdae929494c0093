import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { TenantdError } from '../../../src/base/errors.ts';
import type { DiffResult, TemplateApplyResult, TemplateListResult } from '../../../src/protocol/template-calls.ts';
import { askYes } from '../../../src/cli/ask-yes.ts';
import type { SessionStreams } from '../../../src/cli/session-streams.ts';
import { startControlPeer } from './control-peer.ts';
import { runTenantctl } from './run-tenantctl.ts';

interface Asked {
  tenant: string;
  dryRun: boolean;
  force: boolean;
  digest?: string;
  set?: Record<string, string>;
}

const list: TemplateListResult = {
  templates: [
    {
      ...{ name: 'static', description: 'A site', tenants: ['acme', 'globex'] },
      variables: [{ name: 'title', description: 'Of pages', default: 'x' }, { name: 'owner' }],
    },
    {
      ...{ name: 'torn', description: '', variables: [], tenants: [] },
      problem: { code: 'TENANTD_E_YAML', message: 'template.yaml:2: not valid', fix: 'mend it' },
    },
  ],
};

function resultOf({ tenant, dryRun }: Asked, changes: TemplateApplyResult['changes'] = page): TemplateApplyResult {
  return { ...{ tenant, template: 'static', changes, deployed: [], apps: ['site'] }, digest: `digest of ${tenant}`, applied: !dryRun };
}

const page: TemplateApplyResult['changes'] = [
  { path: 'apps/site/index.html', kind: 'change', before: 'one\nold\n', after: 'one\nnew \u001b[31m\n' },
  { path: 'apps/site/logo.png', kind: 'add' },
];

const peerWith = (apply: (params: Asked) => TemplateApplyResult) =>
  startControlPeer({ 'template-list': () => list, 'template-apply': (params) => apply(params as Asked) });

async function applyWith(apply: (params: Asked) => TemplateApplyResult, ...args: string[]) {
  const { configFile, calls } = await peerWith(apply);
  const done = await runTenantctl(['template', 'apply', 'static', ...args, '--config', configFile]);
  const asked = calls.filter(({ method }) => method === 'template-apply').map(({ params }) => params as Asked);
  return { ...done, asked };
}

describe('template list', () => {
  test('shows what templates ask for, their tenants, and what is wrong', async () => {
    const { configFile } = await peerWith(resultOf);
    const { stdout, exitCode } = await runTenantctl(['template', 'list', '--config', configFile]);
    expect(exitCode).toBe(0);
    expect(stdout).toBe(
      [
        'static',
        '  A site',
        '  --set title=...  Of pages; default: x',
        '  --set owner=...  has to be given',
        '  2 tenants: acme, globex',
        '',
        'torn',
        '  template.yaml:2: not valid',
        '  fix: mend it',
        '  no tenant was made from it',
        '',
      ].join('\n'),
    );
  });
});

describe('template apply', () => {
  test('without a terminal and without --yes it shows what changes, and says how to do it', async () => {
    const { exitCode, stdout, stderr, asked } = await applyWith(resultOf, '--all');
    expect(exitCode).toBe(1);
    expect(stdout).toBe(
      [
        'acme: 2 files change, replaces site',
        '  ~ apps/site/index.html',
        '    @@ -1,2 +1,2 @@',
        '     one',
        '    -old',
        '    +new ',
        '  + apps/site/logo.png  not shown: no text, or long',
        'globex: 2 files change, replaces site',
        '  ~ apps/site/index.html  as acme',
        '  + apps/site/logo.png  not shown: no text, or long',
        '',
      ].join('\n'),
    );
    expect(stderr).toBe('tenantctl: nothing was changed; --yes does it\n');
    expect(asked.map(({ tenant, dryRun }) => [tenant, dryRun])).toEqual([
      ['acme', true],
      ['globex', true],
    ]);
  });

  test('--yes does what was shown, and nothing else', async () => {
    const { exitCode, stdout, asked } = await applyWith(resultOf, '--all', '--yes', '--force', '--set', 'title=A=B');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/acme: done\nglobex: done\n$/);
    expect(asked.slice(2)).toEqual(
      ['acme', 'globex'].map((tenant) => ({
        ...{ template: 'static', tenant, dryRun: false, force: true, digest: `digest of ${tenant}`, set: { title: 'A=B' } },
      })),
    );
  });

  test('--dry-run changes nothing and ends well', async () => {
    const { exitCode, stderr, asked } = await applyWith(resultOf, 'acme', '--dry-run');
    expect({ exitCode, stderr, asked: asked.length }).toEqual({ exitCode: 0, stderr: '', asked: 1 });
  });

  test('conflicts alone leave nothing to do', async () => {
    const conflict = [
      { path: 'apps/site/a.css', kind: 'change' as const, conflict: 'it was changed since', before: 'a\n', after: 'b\n' },
      {
        path: 'tenant.yaml',
        kind: 'change' as const,
        conflict: 'both changed it',
        keys: ['plan'],
        before: 'plan: a\n',
        after: 'plan: a\n',
      },
    ];
    const { exitCode, stdout, asked } = await applyWith((params) => resultOf(params, conflict), 'acme', '--yes');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('  ! apps/site/a.css  it was changed since, left alone (--force overwrites)\n');
    expect(stdout).toContain('  ! tenant.yaml  plan: both changed it, left alone (--force overwrites)\n');
    expect(asked).toHaveLength(1);
  });

  test('a tenant that fails ends it, and what was done and what was not begun is told', async () => {
    const fail = (params: Asked): TemplateApplyResult => {
      if (params.tenant === 'acme' && !params.dryRun) throw new TenantdError('TENANTD_E_APP_FAILED', 'acme/site: it ended', 'see its log');
      return resultOf(params);
    };
    const stopped = await applyWith(fail, '--all', '--yes');
    expect(stopped.exitCode).toBe(1);
    expect(stopped.stderr).toContain('tenantctl: acme: acme/site: it ended (TENANTD_E_APP_FAILED)\n');
    expect(stopped.stderr).toContain('not begun: globex');
    const gone = await applyWith(fail, '--all', '--yes', '--keep-going', '--json');
    expect(gone.exitCode).toBe(1);
    expect(JSON.parse(gone.stdout)).toMatchObject({
      ...{ template: 'static', applied: true, left: [] },
      tenants: [{ tenant: 'globex', applied: true }],
      failed: [{ tenant: 'acme', error: { code: 'TENANTD_E_APP_FAILED' } }],
    });
  });

  test('one that can not be rendered changes none', async () => {
    const { exitCode, stderr, asked } = await applyWith(
      (params) => {
        if (params.tenant === 'globex') throw new TenantdError('TENANTD_E_TEMPLATE', 'the variable `owner` is not given', 'give it');
        return resultOf(params);
      },
      '--all',
      '--yes',
    );
    expect(exitCode).toBe(1);
    expect(stderr).toContain('globex: the variable `owner` is not given; nothing was changed');
    expect(asked.every(({ dryRun }) => dryRun)).toBe(true);
  });

  test('it takes one tenant or --all, and a template that is there', async () => {
    expect([(await applyWith(resultOf)).exitCode, (await applyWith(resultOf, 'acme', '--all')).exitCode]).toEqual([2, 2]);
    const { configFile } = await peerWith(resultOf);
    const { stderr } = await runTenantctl(['template', 'apply', 'nowhere', '--all', '--config', configFile]);
    expect(stderr).toContain('TENANTD_E_NO_SUCH_TEMPLATE');
  });

  test('on a terminal it asks, and only yes is yes', async () => {
    const answer = async (typed: string): Promise<boolean | undefined> => {
      const [input, output] = [new PassThrough(), new PassThrough()];
      const asking = askYes({ isTerminal: true, input, output } as unknown as SessionStreams, 'Change 2 tenants?');
      input.end(typed);
      const agreed = await asking;
      expect(String(output.read())).toContain('Change 2 tenants? [y/N] ');
      return agreed;
    };
    expect(await Promise.all(['y\n', 'YES\n', 'n\n', '\n', '', 'maybe\n'].map(answer))).toEqual([true, true, false, false, false, false]);
  });
});

describe('diff', () => {
  const changes: DiffResult['changes'] = [
    { tenant: '', what: 'logs.keep', from: '5', to: '7', why: 'takes effect when tenantd is restarted' },
    { tenant: 'acme', what: 'domains', from: null, to: 'b.example', why: 'tenant.yaml is broken' },
    { tenant: 'acme', what: 'plan', from: 'starter', to: 'large', why: 'tenant.yaml is broken' },
    { tenant: 'acme', app: 'site', what: 'state', from: 'stopped', to: 'running', why: 'tenantctl app stop' },
  ];

  test('shows what holds and what the files say, by tenant and app', async () => {
    const { configFile, calls } = await startControlPeer({ diff: () => ({ changes }) });
    const { stdout, exitCode } = await runTenantctl(['diff', '--config', configFile]);
    expect(exitCode).toBe(0);
    expect(stdout).toBe(
      [
        'tenantd',
        '  - logs.keep: 5',
        '  + logs.keep: 7',
        '      takes effect when tenantd is restarted',
        '',
        'acme',
        '  + domains: b.example',
        '  - plan: starter',
        '  + plan: large',
        '      tenant.yaml is broken',
        '',
        'acme/site',
        '  - state: stopped',
        '  + state: running',
        '      tenantctl app stop',
        '',
      ].join('\n'),
    );
    expect(calls).toEqual([{ method: 'diff', params: {} }]);
  });

  test('says so when there is nothing, and --json has the list', async () => {
    const { configFile, calls } = await startControlPeer({ diff: () => ({ changes: [] }) });
    expect((await runTenantctl(['diff', 'acme', '--config', configFile])).stdout).toBe('Everything is as the files say.\n');
    expect(JSON.parse((await runTenantctl(['diff', '--json', '--config', configFile])).stdout)).toEqual({ changes: [] });
    expect(calls[0]?.params).toEqual({ tenant: 'acme' });
  });
});
