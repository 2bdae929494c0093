import { messageOf } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import type { Check } from '../protocol/verify.ts';
import type { Store } from './store.ts';
import type { Found } from './verify-look.ts';

/**
 * What is not as it was promised, from the first look that found it to the first that does not.
 *
 * Invariants:
 * - Each drift is in the audit trail twice, at most: when it was found, and when it was over.
 * - There are no more of them than checks.
 */
export interface DriftBook {
  problems(tenant: TenantName | ''): Problem[];
  /** Takes what a look at these tenants found; answers with what was not known before. */
  note(isLooked: (tenant: string) => boolean, found: readonly Found[]): Found[];
  tenantsWithDrift(): string[];
}

const actor = 'tenantd';

export function createDriftBook({ store, log }: { store: Pick<Store, 'appendAudit'>; log: Log }): DriftBook {
  const open = new Map<string, Check>();

  function write(action: string, { tenant, subject, id, expected, actual, source }: Check, outcome: string): void {
    const before = JSON.stringify({ subject, check: id, expected });
    const after = JSON.stringify({ actual, source });
    try {
      store.appendAudit({ tenant, action, actor, before, after, outcome, time: new Date().toISOString() });
    } catch (error) {
      // It is a problem in `status` all the same, and nobody's change that could be refused.
      log.error({ tenant, action, check: id, error: messageOf(error) }, 'a drift could not be written to the audit trail');
    }
  }

  function begin(check: Check): void {
    const { tenant, subject, id, expected, actual, source } = check;
    log.error({ tenant, subject, check: id, expected, actual, source }, 'isolation is not as promised');
    write('drift', check, 'found');
  }

  function end(check: Check): void {
    log.info({ tenant: check.tenant, subject: check.subject, check: check.id }, 'isolation is as promised again');
    write('drift-end', check, 'over');
  }

  return {
    problems: (tenant) => [...open.values()].filter((check) => check.tenant === tenant).map(toProblem),
    note(isLooked, found) {
      const failing = new Map(found.filter(({ check }) => isFailure(check)).map((one) => [keyOf(one.check), one]));
      for (const [key, check] of open) {
        if (failing.has(key) || !isLooked(check.tenant)) continue;
        open.delete(key);
        end(check);
      }
      const fresh = [...failing].filter(([key]) => !open.has(key)).map(([, one]) => one);
      for (const [key, { check }] of failing) open.set(key, check);
      for (const { check } of fresh) begin(check);
      return fresh;
    },
    tenantsWithDrift: () => [...new Set([...open.values()].map(({ tenant }) => tenant))],
  };
}

export function isFailure({ ok, waived }: Check): boolean {
  return !ok && waived === undefined;
}

function keyOf({ tenant, subject, id }: Check): string {
  return `${tenant}|${subject}|${id}`;
}

function toProblem({ tenant, subject, id, expected, actual, source }: Check): Problem {
  const about = subject === '' ? '' : `${subject}: `;
  return {
    code: 'TENANTD_E_DRIFT',
    message: `${about}${id} is "${actual}", expected "${expected}" (${source})`,
    fix: `find out who changed it; tenantctl verify ${tenant} shows all of it, and the audit trail keeps it`.replace('  ', ' '),
    ...(tenant !== '' && { tenant }),
  };
}
