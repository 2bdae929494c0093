import type { TenantEgressNames } from '../protocol/resolver.ts';
import { ClientTenant } from './client-tenant.ts';

/**
 * Who may ask for what.
 *
 * Invariants:
 * - An address is one tenant's: the last that it was given to.
 * - A snapshot that breaks off changes nothing.
 */
export class Tenants {
  private readonly byName = new Map<string, ClientTenant>();
  private readonly byAddress = new Map<string, ClientTenant>();
  private snapshot: Map<string, TenantEgressNames> | undefined = undefined;
  private readonly nowMs: () => number;

  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  at(address: string): ClientTenant | undefined {
    return this.byAddress.get(address);
  }

  all(): IterableIterator<ClientTenant> {
    return this.byName.values();
  }

  beginSnapshot(): void {
    this.snapshot = new Map();
  }

  abandonSnapshot(): void {
    this.snapshot = undefined;
  }

  endSnapshot(): void {
    const { snapshot } = this;
    if (!snapshot) return;
    this.snapshot = undefined;
    for (const name of this.byName.keys()) if (!snapshot.has(name)) this.remove(name);
    for (const settings of snapshot.values()) this.set(settings);
  }

  set(settings: TenantEgressNames): void {
    if (this.snapshot) return void this.snapshot.set(settings.tenant, settings);
    const tenant = this.byName.get(settings.tenant) ?? new ClientTenant(settings, this.nowMs);
    this.forgetAddresses(tenant);
    tenant.update(settings);
    this.byName.set(tenant.name, tenant);
    for (const address of tenant.addresses) this.byAddress.set(address, tenant);
  }

  remove(name: string): void {
    if (this.snapshot) return void this.snapshot.delete(name);
    const tenant = this.byName.get(name);
    if (!tenant) return;
    this.byName.delete(name);
    this.forgetAddresses(tenant);
  }

  private forgetAddresses(tenant: ClientTenant): void {
    for (const address of tenant.addresses) if (this.byAddress.get(address) === tenant) this.byAddress.delete(address);
  }
}
