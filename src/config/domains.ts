import type { TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { capProblems } from './cap-problems.ts';
import type { TenantDomain } from './tenant-schema.ts';
import type { Position } from './yaml-source.ts';

export interface DomainClaims {
  tenant: TenantName;
  domains: readonly TenantDomain[];
  /** For problems: tenant.yaml, and where each domain stands in it. */
  file?: string;
  positions?: ReadonlyMap<string, Position>;
}

export interface ClaimResult {
  /** Of every tenant that was given. */
  accepted: Map<TenantName, TenantDomain[]>;
  problems: Problem[];
  owners: Map<string, TenantName>;
}

/**
 * Who has which domain (INTERFACE 3). A domain stays with the tenant that had it (`owners`) while that tenant lists it; among
 * those who are new, the first by name gets it. A later claim is a problem of the later tenant and takes nothing from the first.
 *
 * `keeping`: tenants whose files can't be read and of whom nothing good is known: what they own stays theirs.
 */
export function claimDomains(
  tenants: readonly DomainClaims[],
  owners: ReadonlyMap<string, TenantName>,
  keeping: ReadonlySet<TenantName> = new Set(),
): ClaimResult {
  const inOrder = [...tenants].sort((a, b) => (a.tenant < b.tenant ? -1 : 1));
  const next = keepOwners(inOrder, owners, keeping);
  for (const { tenant, domains } of inOrder) for (const { name } of domains) if (!next.has(name)) next.set(name, tenant);

  const accepted = new Map<TenantName, TenantDomain[]>();
  const problems: Problem[] = [];
  for (const claims of inOrder) {
    const owned = claims.domains.filter(({ name }) => next.get(name) === claims.tenant);
    const taken = claims.domains.filter(({ name }) => next.get(name) !== claims.tenant);
    const served = new Set(owned.filter(({ redirectTo }) => redirectTo === undefined).map(({ name }) => name));
    const aimless = owned.filter(({ redirectTo }) => redirectTo !== undefined && !served.has(redirectTo));
    accepted.set(
      claims.tenant,
      owned.filter((domain) => !aimless.includes(domain)),
    );
    const told = [...taken.map((domain) => takenProblem(domain, claims)), ...aimless.map((domain) => aimlessProblem(domain, claims))];
    problems.push(...capProblems(told));
  }
  return { accepted, problems, owners: next };
}

function keepOwners(
  tenants: readonly DomainClaims[],
  owners: ReadonlyMap<string, TenantName>,
  keeping: ReadonlySet<TenantName>,
): Map<string, TenantName> {
  const listed = new Map(tenants.map(({ tenant, domains }) => [tenant, new Set(domains.map(({ name }) => name))]));
  return new Map([...owners].filter(([domain, tenant]) => keeping.has(tenant) || listed.get(tenant)?.has(domain)));
}

/** Does not name the other tenant: a tenant's own people read the problems of their tenant. */
function takenProblem({ name }: TenantDomain, claims: DomainClaims): Problem {
  return {
    code: 'TENANTD_E_DOMAIN_TAKEN',
    message: `another tenant had the domain "${name}" first`,
    fix: 'remove it here, or from the tenant that has it',
    ...placeOf(name, claims),
  };
}

function aimlessProblem({ name, redirectTo }: TenantDomain, claims: DomainClaims): Problem {
  return {
    code: 'TENANTD_E_REDIRECT_TARGET',
    message: `"${name}" redirects to "${redirectTo}", which this tenant does not serve`,
    fix: 'redirect to a domain of this tenant that has no redirect of its own',
    ...placeOf(name, claims),
  };
}

function placeOf(domain: string, { tenant, file, positions }: DomainClaims): Partial<Problem> {
  return { tenant, ...(file === undefined ? {} : { file }), ...positions?.get(domain) };
}
