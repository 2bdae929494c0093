import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CallName, policy, type Rule, type Verdict } from '../../src/daemon/policy.ts';
import { controlCalls } from '../../src/protocol/control.ts';
import { tenantRoles, type TenantRole } from '../../src/protocol/token-calls.ts';
import { StubDns } from '../support/stub-dns.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { attempt, makeToken, type Outcome, smallTenant } from './token-support.ts';

const nothing = (): object => ({});
const ofTenant = (tenant: string): object => ({ tenant });
const ofApp = (tenant: string): object => ({ tenant, app: 'site' });

/** What each call is asked with: a call that is not here does not compile. */
const params: Record<CallName, (tenant: string) => object> = {
  status: ofTenant,
  grants: ofTenant,
  logs: (tenant) => ({ tenant, lines: 5, follow: false }),
  'access-logs': (tenant) => ({ tenant, lines: 5, follow: false }),
  'cert-list': ofTenant,
  'cert-ca': nothing,
  'cert-renew': (tenant) => ({ tenant, force: false }),
  'domain-list': ofTenant,
  'domain-check': (tenant) => ({ tenant, name: `${tenant}.test` }),
  'domain-add': (tenant) => ({ tenant, names: [`new.${tenant}.test`] }),
  'domain-remove': (tenant) => ({ tenant, names: [`old.${tenant}.test`] }),
  'secret-list': ofTenant,
  'secret-set': (tenant) => ({ tenant, name: 'KEY', wait: false, value: 'x' }),
  'secret-remove': (tenant) => ({ tenant, name: 'KEY', wait: false }),
  'secret-rotate': ofTenant,
  'machine-key-rotate': nothing,
  'schedule-list': ofTenant,
  'schedule-history': (tenant) => ({ tenant, app: 'site', runs: 1 }),
  'schedule-run': (tenant) => ({ tenant, app: 'site', name: 'nightly', wait: false }),
  'app-restart': ofApp,
  'app-stop': ofApp,
  'app-start': ofApp,
  'app-scale': (tenant) => ({ tenant, app: 'site', workers: 1 }),
  'app-deploy': ofApp,
  'app-rollback': ofApp,
  'app-releases': ofApp,
  shell: ofTenant,
  exec: (tenant) => ({ tenant, command: ['true'] }),
  verify: (tenant) => ({ tenant, passive: true }),
  reload: nothing,
  'token-create': (tenant) => ({ tenant, role: 'viewer' }),
  'token-list': ofTenant,
  'token-revoke': (tenant) => ({ tenant, id: 'aaaaaa' }),
  'proposal-list': ofTenant,
  'proposal-show': (tenant) => ({ tenant, id: 'aaaaaa' }),
  'proposal-approve': (tenant) => ({ tenant, id: 'aaaaaa' }),
  'proposal-deny': (tenant) => ({ tenant, id: 'aaaaaa' }),
  usage: (tenant) => ({ tenant, month: '2026-01', by: 'month', byApp: false }),
  metrics: nothing,
  'audit-list': (tenant) => ({ tenant, order: 'newest', limit: 100 }),
  'audit-head': nothing,
  faults: (tenant) => ({ tenant, most: 10 }),
  'plan-list': nothing,
  'plan-show': ofTenant,
  'tenant-list': ofTenant,
  'tenant-create': (tenant) => ({ tenant: `${tenant}x`, domains: [`${tenant}x.test`] }),
  'tenant-suspend': ofTenant,
  'tenant-resume': ofTenant,
  'tenant-remove': (tenant) => ({ tenant, now: true }),
  'tenant-backup': ofTenant,
  'tenant-restore': nothing,
  'tenant-clone': (tenant) => ({ tenant, as: `${tenant}y`, domains: [`${tenant}y.test`] }),
  'template-list': nothing,
  'template-apply': (tenant) => ({ tenant, template: 'none', force: false, dryRun: true }),
  diff: nothing,
};
/** With these, another cell holds. */
const specials: Record<string, object> = {
  'with secrets': { app: 'site', secrets: true },
  'only tried': { dryRun: true },
  'of role admin': { role: 'admin' },
};

const calls = Object.keys(controlCalls) as CallName[];
const ruleOf = (call: CallName): Rule => policy[call];
/** Each has a tenant of its own: what one does is not in another's way, nor counted with it. */
const tenantOf = (role: TenantRole): string => `a-${role}`;

describe('a token of each role, with each call', () => {
  let daemon: TestDaemon;
  let dns: StubDns;
  const tokens = new Map<TenantRole, string>();

  beforeAll(async () => {
    dns = await StubDns.start(() => ({}));
    const tenants = [...tenantRoles.map(tenantOf), 'globex'];
    daemon = await startTestDaemon({
      https: true,
      // Nobody is asked but the stub.
      config: `acme: { directories: ["https://127.0.0.1:9/"], challenges: [http-01], resolvers: ["127.0.0.1:${dns.port}"] }`,
      tenants: Object.fromEntries(tenants.map((tenant) => [tenant, smallTenant(tenant)])),
    });
    await daemon.untilApps(tenants.map((tenant) => `${tenant}/site`));
    for (const tenant of tenants) await daemon.ctl('app', 'deploy', `${tenant}/site`, `${daemon.tenantsDir}/${tenant}/apps/site`);
    for (const role of tenantRoles) tokens.set(role, (await makeToken(daemon, role, tenantOf(role))).token);
  }, 240_000);
  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    await dns?.close();
  });

  const tryCall = (role: TenantRole, call: CallName, asked: object): Promise<Outcome> =>
    attempt(daemon, tokens.get(role) ?? '', call, asked);

  /** The call is answered before anything is proposed: that takes an archive. */
  const observable = (call: CallName, verdict: Verdict): Verdict => (call === 'app-deploy' && verdict === 'propose' ? 'yes' : verdict);

  describe.each(tenantRoles)('as %s', (role) => {
    const own = tenantOf(role);

    test.each(calls)('%s: of its own tenant, as the table says', { timeout: 120_000 }, async (call) => {
      const { may, special } = ruleOf(call);
      const kinds = [{ more: {}, cells: may }, ...(special ? [{ more: specials[special.words], cells: special.may }] : [])];
      for (const { more, cells } of kinds) {
        const { verdict, text } = await tryCall(role, call, { ...params[call](own), ...more });
        expect([verdict, text]).toEqual([observable(call, cells[role]), text]);
        for (const other of tenantRoles.map(tenantOf).filter((tenant) => tenant !== own)) expect(text).not.toContain(other);
        expect(text).not.toContain('globex');
      }
    });

    test.each(calls.filter((call) => ruleOf(call).about !== 'any'))(
      '%s: never of another tenant, nor of one that is not there',
      async (call) => {
        const [other, missing] = [await tryCall(role, call, params[call]('globex')), await tryCall(role, call, params[call]('nowhere'))];
        expect(other).toEqual({ verdict: 'no', text: expect.stringContaining('TENANTD_E_DENIED') });
        expect(other).toEqual(missing);
      },
    );

    test.each(calls.filter((call) => ruleOf(call).about === 'own'))('%s: without a name it means its own', async (call) => {
      const asked = Object.fromEntries(Object.entries(params[call](own)).filter(([key]) => key !== 'tenant'));
      const { verdict, text } = await tryCall(role, call, asked);
      expect(verdict).toBe(ruleOf(call).may[role]);
      expect(text).not.toContain('globex');
    });
  });

  test('the other tenant is as it was', async () => {
    const globex = await daemon.tenant('globex');
    expect(globex).toMatchObject({ state: 'running', domains: ['globex.test'], problems: expect.anything() });
    expect(globex.apps).toMatchObject([{ name: 'site', state: 'running', restarts: 0 }]);
    const { stdout } = await daemon.ctl('audit', '--tenant', 'globex', '--json');
    expect(stdout).not.toContain('token ');
  });

  test('a token of role operator may do what root may', async () => {
    const { token } = await makeToken(daemon, 'operator');
    for (const call of ['status', 'reload', 'tenant-list', 'plan-list'] as const)
      expect(await attempt(daemon, token, call, {})).toMatchObject({ verdict: 'yes' });
    expect((await attempt(daemon, token, 'tenant-list', {})).text).toContain('globex');
  });
});
