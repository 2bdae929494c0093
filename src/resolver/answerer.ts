import type { Log } from '../base/log.ts';
import { rcode, recordType } from '../dns/message.ts';
import type { ClientTenant } from './client-tenant.ts';
import type { Lookup, Lookups } from './lookups.ts';
import type { Query } from './query.ts';
import type { Reply } from './reply.ts';
import { isAnsweredType } from './upstream-answer.ts';

export interface AnswererOptions {
  lookups: Lookups;
  /** Has packets to these addresses let through for the tenant; false: they will not be. */
  open: (tenant: string, lookup: Lookup, ttlSeconds: number) => Promise<boolean>;
  log: Log;
  nowMs: () => number;
}

/** Of any host's name; with bytes that have to be escaped, a name can be four times as long. */
const maxToldLength = 253;

const empty: Reply = { rcode: rcode.noError, records: [], ttlSeconds: 0 };
const refusal: Reply = { ...empty, rcode: rcode.refused };
const failure: Reply = { ...empty, rcode: rcode.serverFailure };

/** Of one tenant's: it can have as many such names as it likes. All are counted. */
const pauseBetweenWarningsMs = 10_000;

/**
 * What a tenant is answered.
 *
 * Invariants:
 * - Nothing is asked of anybody for a name that is not on the tenant's list: a name could carry data out.
 * - An address is told only when packets to it may pass.
 */
export class Answerer {
  private readonly options: AnswererOptions;
  private readonly toldAtMs = new WeakMap<ClientTenant, number>();

  constructor(options: AnswererOptions) {
    this.options = options;
  }

  /** At once, where nobody has to be asked. */
  answer(tenant: ClientTenant, query: Query): Reply | Promise<Reply> {
    const { counters } = tenant;
    counters.queries += 1;
    if (!tenant.mayAsk(query.name)) {
      counters.refusedNames += 1;
      counters.lastRefusedName = query.name.slice(0, maxToldLength);
      return refusal;
    }
    // Whole zones, or all that there is of a name: nobody who connects to it needs that (RFC 8482).
    if (query.type >= recordType.IXFR && query.type <= recordType.ANY) return { ...empty, rcode: rcode.notImplemented };
    // Service bindings (RFC 9460) bring addresses of their own, which nobody opens: apps do without them.
    if (!isAnsweredType(query.type)) return empty;
    const known = this.options.lookups.known(query.name, query.type);
    return known && tenant.isOpen ? this.tell(tenant, known) : this.find(tenant, query.name, query.type, known);
  }

  private async find(tenant: ClientTenant, name: string, type: number, known: Lookup | undefined): Promise<Reply> {
    const lookup = known ?? (await this.options.lookups.find(tenant.name, name, type));
    // Its list may be another by now.
    if (!tenant.mayAsk(name)) return refusal;
    if (!tenant.isOpen && lookup.records.some(({ address }) => address !== undefined)) {
      const isOpen = await tenant.openOnce(lookup, () => this.options.open(tenant.name, lookup, this.ttlOf(lookup)));
      if (!isOpen) return failure;
    }
    return this.tell(tenant, lookup);
  }

  private tell(tenant: ClientTenant, lookup: Lookup): Reply {
    if (lookup.closed.length > 0 && lookup.records.length === 0) this.noteClosed(tenant, lookup);
    return { rcode: lookup.rcode, records: lookup.records.map(({ data }) => data), ttlSeconds: this.ttlOf(lookup) };
  }

  private noteClosed(tenant: ClientTenant, lookup: Lookup): void {
    tenant.counters.refusedAnswers += 1;
    tenant.counters.lastRefusedAnswer = `${lookup.name} ${lookup.closed[0]}`;
    const { nowMs, log } = this.options;
    if (nowMs() - (this.toldAtMs.get(tenant) ?? -Infinity) < pauseBetweenWarningsMs) return;
    this.toldAtMs.set(tenant, nowMs());
    log.warn({}, `${tenant.name} asked for ${lookup.name}, which leads to ${lookup.closed.join(', ')} only: not public, not told`);
  }

  private ttlOf({ expiresMs }: Lookup): number {
    return Math.max(1, Math.ceil((expiresMs - this.options.nowMs()) / 1_000));
  }
}
