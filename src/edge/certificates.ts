import { createPrivateKey, X509Certificate } from 'node:crypto';
import { coversHost, wildcardFor } from '../base/certificate-names.ts';
import { messageOf } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { TenantCertificate } from '../protocol/edge.ts';

/** A certificate that fits its key, and is in its time when it is set. */
export class ServedCertificate {
  /** Lower case, as the certificate has them; wildcards as `*.example.com`. */
  readonly names: ReadonlySet<string>;
  readonly expiresAtMs: number;
  readonly pem: Readonly<{ cert: string; key: string }>;

  constructor({ chain, key }: TenantCertificate, leaf: X509Certificate) {
    this.pem = { cert: chain, key };
    this.names = new Set(dnsNames(leaf));
    this.expiresAtMs = leaf.validToDate.getTime();
  }

  isOf({ chain, key }: TenantCertificate): boolean {
    return this.pem.cert === chain && this.pem.key === key;
  }

  covers(host: string): boolean {
    return coversHost(this.names, host);
  }
}

/**
 * The certificates of all tenants.
 *
 * Invariants:
 * - What can not be used never replaces what can.
 * - `byName` leads to the certificate of those with that name that lasts longest.
 */
export class Certificates {
  private readonly tenants = new Map<TenantName, { byId: Map<string, ServedCertificate>; byName: Map<string, ServedCertificate> }>();
  /** Set since `snapshot-begin`, as `tenant id`. */
  private seen: Set<string> | undefined = undefined;

  /** A sentence when it can not be used; then what was there under this id stays. */
  set(certificate: TenantCertificate, nowMs: number): string | undefined {
    this.seen?.add(`${certificate.tenant} ${certificate.id}`);
    const before = this.tenants.get(certificate.tenant)?.byId.get(certificate.id);
    // A daemon that comes back tells of all of them again: thousands, for which nothing new is made.
    if (before?.isOf(certificate) && before.expiresAtMs > nowMs) return undefined;
    const read = readCertificate(certificate, nowMs);
    if (typeof read === 'string') return read;
    const { tenant, id } = certificate;
    this.remove(tenant, id);
    const known = this.tenants.get(tenant) ?? { byId: new Map(), byName: new Map() };
    this.tenants.set(tenant, known);
    known.byId.set(id, read);
    for (const name of read.names) if ((known.byName.get(name)?.expiresAtMs ?? 0) < read.expiresAtMs) known.byName.set(name, read);
    return undefined;
  }

  remove(tenant: TenantName, id: string): void {
    const known = this.tenants.get(tenant);
    const gone = known?.byId.get(id);
    if (!known || !gone) return;
    known.byId.delete(id);
    if (known.byId.size === 0) this.tenants.delete(tenant);
    for (const name of gone.names) if (known.byName.get(name) === gone) replaceName(known, name);
  }

  /** Of the one that is used under this id. */
  namesOf(tenant: TenantName, id: string): string[] {
    return [...(this.tenants.get(tenant)?.byId.get(id)?.names ?? [])];
  }

  find(tenant: TenantName, host: string): ServedCertificate | undefined {
    const byName = this.tenants.get(tenant)?.byName;
    return byName && (byName.get(host) ?? byName.get(wildcardFor(host)));
  }

  beginSnapshot(): void {
    this.seen = new Set();
  }

  endSnapshot(): void {
    const { seen } = this;
    this.seen = undefined;
    if (!seen) return;
    for (const [tenant, { byId }] of this.tenants) for (const id of byId.keys()) if (!seen.has(`${tenant} ${id}`)) this.remove(tenant, id);
  }
}

function replaceName(
  { byId, byName }: { byId: Map<string, ServedCertificate>; byName: Map<string, ServedCertificate> },
  name: string,
): void {
  byName.delete(name);
  for (const other of byId.values()) {
    if (other.names.has(name) && (byName.get(name)?.expiresAtMs ?? 0) < other.expiresAtMs) byName.set(name, other);
  }
}

/** What OpenSSL takes at its usual security level. */
const leastRsaBits = 2_048;
const pemCertificate = /-----BEGIN CERTIFICATE-----[^-]*(?:-----END CERTIFICATE-----|$)/g;

function readCertificate(certificate: TenantCertificate, nowMs: number): ServedCertificate | string {
  try {
    // All of them: OpenSSL looks at those behind the leaf only when the first client comes.
    const [leaf] = Array.from(certificate.chain.matchAll(pemCertificate), ([pem]) => new X509Certificate(pem));
    if (!leaf) return 'the certificate can not be read: there is none in its file';
    if (!leaf.checkPrivateKey(createPrivateKey(certificate.key))) return 'the key is not that of the certificate';
    if ((leaf.publicKey.asymmetricKeyDetails?.modulusLength ?? Infinity) < leastRsaBits) return 'its RSA key is shorter than 2048 bits';
    if (leaf.validToDate.getTime() <= nowMs) return `the certificate expired on ${leaf.validToDate.toISOString()}`;
    const served = new ServedCertificate(certificate, leaf);
    return served.names.size === 0 ? 'the certificate names no host' : served;
  } catch (error) {
    return `the certificate or its key can not be read: ${messageOf(error)}`;
  }
}

/** RFC 6125 6.4.4: where there are DNS names, the subject's common name counts for nothing. */
function dnsNames({ subjectAltName = '' }: X509Certificate): string[] {
  return [...subjectAltName.matchAll(/DNS:([a-z0-9*._-]+)/gi)].map(([, name = '']) => name.toLowerCase());
}
