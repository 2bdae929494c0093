import { coversHost, wildcardFor } from '../base/certificate-names.ts';
import type { TenantName } from '../base/ids.ts';
import type { TenantCertificate } from '../protocol/edge.ts';

/** What is known of one certificate. */
interface Known {
  /** What the edge was told last. */
  sent: TenantCertificate;
  /** What it said last that it can use, and for which hosts. */
  usable?: TenantCertificate;
  names?: ReadonlySet<string>;
  /** The newest one, if the edge can't use it. */
  refused?: { certificate: TenantCertificate; problem: string };
}

/** What an edge says of a certificate: a problem, or the hosts it is for. */
type Verdict = { tenant: string; id: string; problem?: string | undefined; names?: readonly string[] | undefined };

export interface CertificateState {
  /** One is in service: this, or one before it. */
  isServed: boolean;
  /** Why this is not. */
  problem: string | undefined;
  /** The hosts of the one in service. */
  names: ReadonlySet<string>;
}

/** The id of the one from the tenant's own files: of those a tenant has one at most. Others are called after their host, which has no `_`. */
export const ownCertificateId = 'own_files';

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
    const { sent, usable, names, refused } = ofTenant.get(id) ?? {};
    const newest = refused?.certificate ?? sent;
    if (newest?.chain === certificate.chain && newest.key === certificate.key) return;
    ofTenant.set(id, { sent: certificate, ...(usable && { usable }), ...(names && { names }) });
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

  /** Again, to edges that may not know them. */
  sendAll(tell = this.tell): void {
    for (const ofTenant of this.tenants.values()) for (const { sent } of ofTenant.values()) tell('set-certificate', sent);
  }

  /** What one of the edges says of the one it was told last. */
  judge({ tenant, id, problem, names = [] }: Verdict): void {
    const known = this.tenants.get(tenant as TenantName)?.get(id);
    if (!known) return;
    if (problem === undefined) accept(known, names);
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
    return { isServed: known?.usable !== undefined, problem: known?.refused?.problem, names: known?.names ?? new Set() };
  }

  /** One that an edge can use is for this host of the tenant. */
  serves(tenant: TenantName, host: string): boolean {
    const ofTenant = this.tenants.get(tenant);
    return [ownCertificateId, host, wildcardFor(host)].some((id) => coversHost(ofTenant?.get(id)?.names, host));
  }
}

function accept(known: Known, names: readonly string[]): void {
  known.usable = known.sent;
  known.names = new Set(names);
  if (known.refused?.certificate === known.sent) delete known.refused;
}
