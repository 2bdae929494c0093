import type { ErrorCode } from '../base/error-codes.ts';
import type { TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { capProblems } from '../config/cap-problems.ts';
import type { NameStatus } from '../protocol/certs.ts';

const problemCodes: Readonly<Record<NonNullable<NameStatus['problem']>['kind'], ErrorCode>> = {
  'no-certificate': 'TENANTD_E_NO_CERTIFICATE',
  expires: 'TENANTD_E_CERTIFICATE_EXPIRES',
  expired: 'TENANTD_E_CERTIFICATE_EXPIRED',
};

/**
 * The names that `certs` is to find certificates for, and what it said of each last.
 *
 * Invariant: nothing is kept of a name that its tenant does not have, whoever tells of it.
 */
export class CertificateNames {
  private readonly tenants = new Map<TenantName, Map<string, NameStatus | undefined>>();

  /** Undefined when the tenant has just these names already. */
  set(tenant: TenantName, names: readonly string[]): { removed: string[] } | undefined {
    const before = this.tenants.get(tenant) ?? new Map<string, NameStatus | undefined>();
    const next = new Map(names.map((name) => [name, before.get(name)]));
    const removed = [...before.keys()].filter((name) => !next.has(name));
    if (removed.length === 0 && next.size === before.size) return undefined;
    if (next.size > 0) this.tenants.set(tenant, next);
    else this.tenants.delete(tenant);
    return { removed };
  }

  has(tenant: string, name: string): boolean {
    return this.tenants.get(tenant as TenantName)?.has(name) ?? false;
  }

  note(status: NameStatus): void {
    if (this.has(status.tenant, status.name)) this.tenants.get(status.tenant as TenantName)?.set(status.name, status);
  }

  statusOf(tenant: TenantName, name: string): NameStatus | undefined {
    return this.tenants.get(tenant)?.get(name);
  }

  all(): { tenant: TenantName; names: string[] }[] {
    return [...this.tenants].map(([tenant, names]) => ({ tenant, names: [...names.keys()] }));
  }

  problems(tenant: TenantName): Problem[] {
    const states = [...(this.tenants.get(tenant)?.values() ?? [])];
    return capProblems(
      states.flatMap((status): Problem[] => {
        const problem = status?.problem;
        return problem ? [{ code: problemCodes[problem.kind], message: problem.message, fix: problem.fix }] : [];
      }),
    );
  }
}
