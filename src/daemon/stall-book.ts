import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import type { TenantStall } from '../protocol/edge.ts';

/** Which tenants held up what all share, and are left alone for it at the moment. */
export interface StallBook {
  note(stall: TenantStall): void;
  problems(tenant: string): Problem[];
}

interface Entry {
  problem: Problem;
  untilMs: number;
}

/** `isTenant`: an edge may tell of one that is gone by now. */
export function createStallBook({ log, isTenant }: { log: Log; isTenant: (tenant: string) => boolean }): StallBook {
  const entries = new Map<string, Entry>();

  return {
    note(stall) {
      const now = Date.now();
      for (const [tenant, { untilMs }] of entries) if (untilMs <= now) entries.delete(tenant);
      if (!isTenant(stall.tenant)) return;
      log.warn({ ...stall }, 'a tenant held up the edge again and again, and gets no requests for a while');
      const untilMs = Math.max(now + stall.asideMs, entries.get(stall.tenant)?.untilMs ?? 0);
      entries.set(stall.tenant, { untilMs, problem: problemOf(stall, untilMs) });
    },
    problems(tenant) {
      const entry = entries.get(tenant);
      return entry && entry.untilMs > Date.now() ? [entry.problem] : [];
    },
  };
}

function problemOf({ heldUpMs }: TenantStall, untilMs: number): Problem {
  return {
    code: 'TENANTD_E_STALLS',
    message: `its apps hold up the edge, for ${Math.round(heldUpMs)} ms the last time: it gets no requests until ${new Date(untilMs).toISOString()}`,
    fix: 'find the app that sends descriptors (SCM_RIGHTS) on connections of its requests; no well-meant one does',
  };
}
