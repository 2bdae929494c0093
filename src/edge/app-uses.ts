import type { AppUse } from '../protocol/edge.ts';
import type { AppTarget } from './app-target.ts';

/** What is told at once fits into one frame of the channel. */
export const maxUsesTold = 5_000;

/** Apps of which something was open since they were told last. Bounded by the apps that are routed, or have something open. */
export class AppUses {
  private readonly used = new Set<AppTarget>();

  note(target: AppTarget): void {
    target.inUse = true;
    this.used.add(target);
  }

  /** Since it was asked last. What is too much for one time comes first the next. */
  take(): AppUse[] {
    const taken = [...this.used].slice(0, maxUsesTold);
    for (const target of taken) {
      this.used.delete(target);
      target.inUse = false;
      if (target.isKeptAwake) this.note(target);
    }
    return taken.map(({ tenant, app, open, waiting }) => ({ tenant: tenant.name, app, open: open - waiting, waiting }));
  }
}

/** One edge's beside another's: what is open is the sum. */
export function joinUses(uses: readonly AppUse[]): AppUse[] {
  const byApp = new Map<string, AppUse>();
  for (const use of uses) {
    const known = byApp.get(`${use.tenant} ${use.app}`);
    if (known) {
      known.open += use.open;
      known.waiting += use.waiting;
    } else byApp.set(`${use.tenant} ${use.app}`, { ...use });
  }
  return [...byApp.values()];
}
