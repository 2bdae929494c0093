import type { QueryCounters } from '../protocol/resolver.ts';
import type { Tenants } from './tenants.ts';

const periodMs = 1_000;
/** A page; the others come with the next one. */
const maxTenants = 500;

/** Tells the daemon what tenants ask: once a second, those whose counters changed. */
export function createCounterReports(
  tenants: Tenants,
  send: (counters: { tenants: QueryCounters[] }) => boolean,
): { sendAll: () => void; stop: () => void } {
  let told = new WeakMap<QueryCounters, number>();

  function sendChanged(): void {
    const changed: QueryCounters[] = [];
    for (const { counters } of tenants.all()) {
      const isNew = counters.queries + counters.dropped !== (told.get(counters) ?? 0);
      if (isNew && changed.length < maxTenants) changed.push(counters);
    }
    if (changed.length === 0 || !send({ tenants: changed })) return;
    for (const counters of changed) told.set(counters, counters.queries + counters.dropped);
  }

  const timer = setInterval(sendChanged, periodMs);
  return {
    sendAll() {
      told = new WeakMap();
      sendChanged();
    },
    stop: () => clearInterval(timer),
  };
}
