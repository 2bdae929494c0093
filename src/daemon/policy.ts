import type { z } from 'zod';
import { TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { controlCalls } from '../protocol/control.ts';
import type { TenantRole } from '../protocol/token-calls.ts';

/**
 * Who may do what: the one place where that is decided, for every call to the daemon. A call without a row does not compile.
 * README.md has the same table; a test compares them.
 */

export type CallName = keyof typeof controlCalls;
type Params<Call extends CallName> = z.infer<(typeof controlCalls)[Call]>;

/** Known by the socket that a call came in on, and by the token that it was opened with. */
export type Who = { role: 'operator'; token?: string } | { role: TenantRole; tenant: TenantName; token: string };

export type Verdict = 'yes' | 'no' | 'propose';
/** The operator may do everything, and has no column. */
export type Cells = Readonly<Record<TenantRole, Verdict>>;

/**
 * `tenant`: of one tenant, which must be the token's. `own`: the tenant may be left out, which to a token means its own. `any`: of
 * nobody in particular. `machine`: the operator's alone.
 */
export type About = 'tenant' | 'own' | 'any' | 'machine';
type AboutOf<P> = 'machine' | (string extends keyof P ? 'any' : 'tenant' extends keyof P ? OfTenant<P> : 'any');
type OfTenant<P> = P extends { tenant: string } ? 'tenant' : 'own';

export interface Rule<P = unknown, Of extends About = About> {
  about: Of;
  may: Cells;
  /** What is asked decides, too: then these cells hold. */
  special?: { when(params: P): boolean; words: string; may: Cells };
}

const cells = (viewer: Verdict, deployer: Verdict, admin: Verdict, agent: Verdict): Cells => ({ viewer, deployer, admin, agent });

const everyone = cells('yes', 'yes', 'yes', 'yes');
const deployers = cells('no', 'yes', 'yes', 'no');
const deployersOrProposed = cells('no', 'yes', 'yes', 'propose');
const admins = cells('no', 'no', 'yes', 'no');
const adminsOrProposed = cells('no', 'no', 'yes', 'propose');
const nobody = cells('no', 'no', 'no', 'no');

const machine = { about: 'machine', may: nobody } as const;
const session = {
  may: deployers,
  special: { when: (params: { secrets?: boolean | undefined }) => params.secrets === true, words: 'with secrets', may: admins },
};
const domainChange = {
  may: adminsOrProposed,
  special: {
    when: (params: { dryRun?: boolean | undefined }) => params.dryRun === true,
    words: 'only tried',
    may: cells('no', 'no', 'yes', 'yes'),
  },
};

export const policy: { readonly [Call in CallName]: Rule<Params<Call>, AboutOf<Params<Call>>> } = {
  status: { about: 'own', may: everyone },
  grants: { about: 'own', may: everyone },
  logs: { about: 'tenant', may: everyone },
  'access-logs': { about: 'tenant', may: everyone },
  'cert-list': { about: 'own', may: everyone },
  'cert-ca': { about: 'any', may: everyone },
  'domain-list': { about: 'own', may: everyone },
  'domain-check': { about: 'own', may: everyone },
  'secret-list': { about: 'tenant', may: everyone },
  'schedule-list': { about: 'own', may: everyone },
  'schedule-history': { about: 'tenant', may: everyone },
  'app-releases': { about: 'tenant', may: everyone },
  usage: { about: 'own', may: everyone },
  'audit-list': { about: 'own', may: everyone },
  faults: { about: 'own', may: everyone },
  'plan-show': { about: 'tenant', may: everyone },

  'app-restart': { about: 'tenant', may: deployersOrProposed },
  'app-stop': { about: 'tenant', may: deployersOrProposed },
  'app-start': { about: 'tenant', may: deployersOrProposed },
  'app-scale': { about: 'tenant', may: deployersOrProposed },
  'app-deploy': { about: 'tenant', may: deployersOrProposed },
  'app-rollback': { about: 'tenant', may: deployersOrProposed },
  'schedule-run': { about: 'tenant', may: deployersOrProposed },
  shell: { about: 'tenant', ...session },
  exec: { about: 'tenant', ...session },

  'domain-add': { about: 'tenant', ...domainChange },
  'domain-remove': { about: 'tenant', ...domainChange },
  'cert-renew': { about: 'tenant', may: admins },
  'secret-set': { about: 'tenant', may: admins },
  'secret-remove': { about: 'tenant', may: admins },
  'secret-rotate': { about: 'own', may: admins },
  verify: { about: 'own', may: admins },

  'token-create': {
    about: 'own',
    may: admins,
    special: { when: ({ role }) => role === 'admin' || role === 'operator', words: 'of role admin', may: nobody },
  },
  'proposal-list': { about: 'own', may: everyone },
  'proposal-show': { about: 'own', may: everyone },
  'proposal-approve': { about: 'own', may: admins },
  'proposal-deny': { about: 'own', may: admins },
  'token-list': { about: 'own', may: admins },
  'token-revoke': { about: 'own', may: admins },

  'audit-head': machine,
  'plan-list': machine,
  'tenant-list': { about: 'own', may: everyone },
  'template-list': machine,
  'template-apply': machine,
  diff: machine,
  'tenant-create': machine,
  'tenant-suspend': machine,
  'tenant-resume': machine,
  'tenant-remove': machine,

  metrics: machine,
  'tenant-backup': { about: 'tenant', may: admins },

  reload: machine,
  'tenant-restore': machine,
  'tenant-clone': machine,
  'machine-key-rotate': machine,
};

/** Looking is everybody's. */
export function isChange(call: CallName): boolean {
  return policy[call].may.viewer !== 'yes';
}

/** `params` are those to go on with: a token's own tenant is filled in. */
export type Decision = { verdict: 'yes' | 'propose'; params: unknown } | { verdict: 'no'; error: TenantdError };

/** `params` as the call's schema gave them. */
export function decide(who: Who, call: CallName, params: unknown): Decision {
  if (who.role === 'operator') return { verdict: 'yes', params };
  const rule: Rule = policy[call];
  const asked = rule.about === 'own' ? withTenant(who.tenant, params as TenantParams) : (params as TenantParams);
  const { may } = rule.special?.when(asked) ? rule.special : rule;
  const verdict = isOfTenant(who.tenant, rule.about, asked) ? may[who.role] : 'no';
  return verdict === 'no' ? { verdict, error: denied(who) } : { verdict, params: asked };
}

interface TenantParams {
  tenant?: string;
}

function withTenant(tenant: TenantName, params: TenantParams): TenantParams {
  return { ...params, tenant: params.tenant ?? tenant };
}

function isOfTenant(tenant: TenantName, about: About, params: TenantParams): boolean {
  if (about === 'machine') return false;
  return about === 'any' || params.tenant === tenant;
}

/** The same for what is not there as for what is another's: a token tells nothing of other tenants. */
function denied({ role, tenant }: { role: TenantRole; tenant: TenantName }): TenantdError {
  const fix = 'ask the operator of the machine; the README, "Tokens and roles", says who may do what';
  return new TenantdError('TENANTD_E_DENIED', `a token of role ${role} of ${tenant} may not do that`, fix);
}
