import { messageOf, TenantdError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { OpenAddresses } from '../protocol/resolver.ts';
import type { Lookup } from './lookups.ts';

export interface OpeningsOptions {
  call: (params: OpenAddresses) => Promise<unknown>;
  log: Log;
}

/** A daemon that is restarted is back within a second or two; after that clients ask again anyway. */
const absenceLimitMs = 4_000;

/**
 * Has the daemon open addresses, and waits for it a while when it is away.
 *
 * Invariant: a daemon is asked for a tenant only when it said something of that tenant, or all that there is: one that has just
 * begun knows nobody yet.
 */
export class Openings {
  private readonly options: OpeningsOptions;
  private readonly known = new Set<string>();
  private knowsAll = false;
  private readonly waiting = new Map<() => void, string>();

  constructor(options: OpeningsOptions) {
    this.options = options;
  }

  daemonLost(): void {
    this.known.clear();
    this.knowsAll = false;
  }

  daemonKnows(tenant: string): void {
    this.known.add(tenant);
    this.wake();
  }

  daemonKnowsAll(): void {
    this.knowsAll = true;
    this.wake();
  }

  async open(tenant: string, lookup: Lookup, ttlSeconds: number): Promise<boolean> {
    const addresses = lookup.records.flatMap(({ address }) => (address === undefined ? [] : [{ address, ttlSeconds }]));
    const params = { tenant, name: lookup.name, addresses };
    // It may be lost just when it is asked.
    for (let tries = 0; tries < 2; tries += 1) {
      const isOpen = (await this.untilKnown(tenant)) ? await this.ask(params) : false;
      if (isOpen !== undefined) return isOpen;
    }
    return false;
  }

  /** Undefined: the daemon is away; false: it does not open them. */
  private async ask(params: OpenAddresses): Promise<boolean | undefined> {
    try {
      await this.options.call(params);
      return true;
    } catch (error) {
      if (error instanceof TenantdError && error.code === 'TENANTD_E_UNREACHABLE') return undefined;
      this.options.log.debug({}, `addresses of ${params.name} were not opened for ${params.tenant}: ${messageOf(error)}`);
      return false;
    }
  }

  private isKnown(tenant: string): boolean {
    return this.knowsAll || this.known.has(tenant);
  }

  private wake(): void {
    for (const [wake, tenant] of this.waiting) if (this.isKnown(tenant)) wake();
  }

  private untilKnown(tenant: string): Promise<boolean> {
    if (this.isKnown(tenant)) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const wake = (): void => resolve(true);
    this.waiting.set(wake, tenant);
    const timer = setTimeout(resolve, absenceLimitMs, false);
    return promise.finally(() => {
      clearTimeout(timer);
      this.waiting.delete(wake);
    });
  }
}
