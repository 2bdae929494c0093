import type { TenantName } from '../base/ids.ts';
import type { TenantCertificate } from '../protocol/edge.ts';

/** What is known of one certificate. */
interface Known {
  /** What the edge was told last. */
  sent: TenantCertificate;
  /** What it said last that it can use. */
  usable?: TenantCertificate;
  /** The newest one, if the edge can't use it. */
  refused?: { certificate: TenantCertificate; problem: string };
}

export interface CertificateState {
  /** One is in service: this, or one before it. */
  isServed: boolean;
  /** Why this is not. */
  problem: string | undefined;
}

/**
 * The certificates that the edge is to have. Root does not understand them: the edge says which it can use.
 *
 * Invariants:
 * - Keys are held in memory and go to the edge, nowhere else.
 * - In place of one that the edge refused, it is told the last usable one again, so that an edge that starts later serves it too.
 */
export class EdgeCertificates {
  private readonly tenants = new Map<TenantName, Map<string, Known>>();
  private readonly tell: (method: string, params: object) => void;

  constructor(tell: (method: string, params: object) => void) {
    this.tell = tell;
  }

  set(certificate: TenantCertificate): void {
    const { tenant, id } = certificate;
    const ofTenant = this.tenants.get(tenant) ?? new Map<string, Known>();
    this.tenants.set(tenant, ofTenant);
    const { sent, usable, refused } = ofTenant.get(id) ?? {};
    const newest = refused?.certificate ?? sent;
    if (newest?.chain === certificate.chain && newest.key === certificate.key) return;
    ofTenant.set(id, { sent: certificate, ...(usable && { usable }) });
    this.tell('set-certificate', certificate);
  }

  remove(tenant: TenantName, id: string): void {
    const ofTenant = this.tenants.get(tenant);
    if (!ofTenant?.delete(id)) return;
    if (ofTenant.size === 0) this.tenants.delete(tenant);
    this.tell('remove-certificate', { tenant, id });
  }

  removeAll(tenant: TenantName): void {
    for (const id of this.tenants.get(tenant)?.keys() ?? []) this.remove(tenant, id);
  }

  /** Again, behind the tenant's routes. */
  send(tenant: TenantName): void {
    for (const { sent } of this.tenants.get(tenant)?.values() ?? []) this.tell('set-certificate', sent);
  }

  /** What one of the edges says of the one it was told last. */
  judge({ tenant, id, problem }: { tenant: string; id: string; problem?: string | undefined }): void {
    const known = this.tenants.get(tenant as TenantName)?.get(id);
    if (!known) return;
    if (problem === undefined) accept(known);
    else this.refuse(known, problem);
  }

  private refuse(known: Known, problem: string): void {
    const { sent, usable } = known;
    // The other edges say it too, when this one's word was acted on already; or what was usable has expired.
    if (known.refused && sent === usable) return;
    known.refused = { certificate: sent, problem };
    if (!usable || sent === usable) return;
    known.sent = usable;
    this.tell('set-certificate', usable);
  }

  stateOf(tenant: TenantName, id: string): CertificateState {
    const known = this.tenants.get(tenant)?.get(id);
    return { isServed: known?.usable !== undefined, problem: known?.refused?.problem };
  }

  servesAny(tenant: TenantName): boolean {
    return [...(this.tenants.get(tenant)?.values() ?? [])].some(({ usable }) => usable !== undefined);
  }
}

function accept(known: Known): void {
  known.usable = known.sent;
  if (known.refused?.certificate === known.sent) delete known.refused;
}
