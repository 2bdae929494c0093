import type { Lookup } from './lookups.ts';

/** An entry is at most some 8 KiB (32 addresses); a usual one about 500 bytes. */
const maxEntries = 20_000;
const maxEntriesOfTenant = 1_000;

/**
 * What is known of names, until it expires. Shared by all tenants, but each entry is on the account of the tenant that asked first.
 *
 * Invariants:
 * - A tenant has at most `maxEntriesOfTenant`: its oldest go first, nobody else's do.
 * - All have at most `maxEntries`: the oldest go first.
 */
export class LookupCache {
  private readonly entries = new Map<string, { tenant: string; lookup: Lookup }>();
  private readonly keysOfTenant = new Map<string, Set<string>>();
  private readonly nowMs: () => number;

  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  get(name: string, type: number): Lookup | undefined {
    const key = keyOf(name, type);
    const lookup = this.entries.get(key)?.lookup;
    if (!lookup || lookup.expiresMs > this.nowMs()) return lookup;
    this.remove(key);
    return undefined;
  }

  set(tenant: string, lookup: Lookup): void {
    const key = keyOf(lookup.name, lookup.type);
    this.remove(key);
    const own = this.keysOfTenant.get(tenant) ?? new Set();
    this.keysOfTenant.set(tenant, own.add(key));
    this.entries.set(key, { tenant, lookup });
    if (own.size > maxEntriesOfTenant) this.removeOldest(own);
    if (this.entries.size > maxEntries) this.removeOldest(this.entries);
  }

  clear(): void {
    this.entries.clear();
    this.keysOfTenant.clear();
  }

  /** Sets and maps keep the order in which keys were added. */
  private removeOldest(keys: Set<string> | Map<string, unknown>): void {
    for (const key of keys.keys()) return this.remove(key);
  }

  private remove(key: string): void {
    const entry = this.entries.get(key);
    if (!entry) return;
    this.entries.delete(key);
    const own = this.keysOfTenant.get(entry.tenant);
    own?.delete(key);
    if (own?.size === 0) this.keysOfTenant.delete(entry.tenant);
  }
}

function keyOf(name: string, type: number): string {
  return `${type} ${name}`;
}
