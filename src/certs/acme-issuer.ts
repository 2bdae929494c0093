import { z } from 'zod';
import type { AcmeConfiguration } from '../protocol/certs.ts';
import { AcmeCa } from './acme-ca.ts';
import { AcmeFault, toTryFault } from './acme-fault.ts';
import { orderCertificate } from './acme-order.ts';
import { getDocument, installTransport } from './acme-transport.ts';
import { findPublicAddresses } from './addresses.ts';
import { findCaa, permitsCa } from './caa.ts';
import { DnsLookup } from './dns-lookup.ts';
import { checkDomain } from './domain-check.ts';
import type { AcmeIssuer, IssueSteps, RenewalInfo } from './issuer.ts';
import { NameProof, proofTypes, type ProofTools } from './name-proof.ts';
import type { NameEntry } from './names.ts';
import type { CertificateRecord, PendingOrder, Records } from './records.ts';
import { TryFault } from './try-fault.ts';
import type { NameCheck } from '../protocol/certs.ts';
import { messageOf } from '../base/errors.ts';

export type AcmeTools = Pick<ProofTools, 'log' | 'nowMs' | 'setChallenge' | 'removeChallenge'> & { records: Records };

/** RFC 6761, 6762, 8375, and ICANN's `.internal`: no public CA certifies them; a CA of one's own may. */
const privateNames = /(?:^|\.)(?:localhost|local|internal|home\.arpa)$/;

const askAgainMs = { least: 60_000, usual: 6 * 3_600_000, most: 86_400_000 } as const;
const renewalDocument = z.object({
  suggestedWindow: z.object({ start: z.iso.datetime({ offset: true }), end: z.iso.datetime({ offset: true }) }),
});

export function createAcmeIssuer(acme: AcmeConfiguration, tools: AcmeTools): AcmeIssuer {
  return new CaList(acme, tools);
}

/** The configured CAs, in order of preference. */
class CaList implements AcmeIssuer {
  private readonly acme: AcmeConfiguration;
  private readonly tools: AcmeTools;
  private readonly cas: readonly AcmeCa[];
  private readonly dns: DnsLookup;

  constructor(acme: AcmeConfiguration, tools: AcmeTools) {
    this.acme = acme;
    this.tools = tools;
    this.dns = new DnsLookup(acme.resolvers);
    installTransport(acme.caPem);
    const { records, nowMs } = tools;
    this.cas = acme.directories.map((directory) => new AcmeCa({ directory, email: acme.email, records, nowMs }));
  }

  certifies(name: string): boolean {
    return this.acme.caPem !== undefined || (name.includes('.') && !privateNames.test(name));
  }

  availableAtMs(): number {
    return Math.min(...this.cas.map(({ availableAtMs }) => availableAtMs));
  }

  async issue(entry: NameEntry, steps: IssueSteps): Promise<CertificateRecord> {
    const check = await this.assertReady(entry);
    let last: TryFault | undefined;
    for (const ca of await this.permitted(entry)) {
      try {
        const certificate = await this.orderAt(ca, entry, steps, check.verdict === 'behind-proxy');
        ca.noteSuccess();
        return certificate;
      } catch (error) {
        last = this.note(ca, entry, error);
        if (last.blame !== 'ca' && last.blame !== 'refused') throw last;
      }
    }
    throw last ?? new TryFault('ca', 'no CA can be asked now');
  }

  async check(name: string): Promise<NameCheck> {
    const identities = await Promise.all(this.cas.map((ca) => this.identitiesOf(ca)));
    return checkDomain(name, {
      dns: this.dns,
      publicAddresses: this.publicAddresses(),
      caIdentities: identities.some((list) => list.length === 0) ? [] : identities,
      byDnsOnly: this.provesByDnsFirst(name),
    });
  }

  async fingerprint(name: string): Promise<string | undefined> {
    const { verdict, found } = await this.check(name);
    if (verdict === 'unknown' && found.length === 0) return undefined;
    return JSON.stringify(found.map(({ name, type, value }) => `${name} ${type} ${value}`).sort()).slice(0, 4_000);
  }

  async renewalInfo(from: string, ariId: string): Promise<RenewalInfo | undefined> {
    const ca = this.cas.find(({ url }) => url === from);
    const { renewalInfo } = (await ca?.readDirectory()) ?? {};
    if (renewalInfo === undefined) return undefined;
    const { document, waitMs } = await getDocument(`${renewalInfo.replace(/\/$/, '')}/${ariId}`);
    const { suggestedWindow } = renewalDocument.parse(document);
    const [startMs, endMs] = [Date.parse(suggestedWindow.start), Date.parse(suggestedWindow.end)];
    // RFC 9773, 4.2: a window that ends before it begins is treated as none.
    if (endMs <= startMs) return undefined;
    const pauseMs = Math.min(askAgainMs.most, Math.max(askAgainMs.least, waitMs ?? askAgainMs.usual));
    return { startMs, endMs, askAgainMs: this.tools.nowMs() + pauseMs };
  }

  close(): void {
    this.dns.close();
  }

  /** Orders are few: none is spent on a name of which the DNS says already that it will fail. */
  private async assertReady({ name, record }: NameEntry): Promise<NameCheck> {
    if (proofTypes(this.acme, { name, failures: 0, isProxied: false }).length === 0) throw new TryFault('refused', noProofText(name));
    const check = await this.check(name);
    const isRight = ['points-here', 'behind-proxy'].includes(check.verdict) || (check.verdict === 'unknown' && check.found.length > 0);
    // An order that is there already costs nothing any more.
    if (isRight || record.order) return check;
    if (this.provesByDnsFirst(name) && check.verdict !== 'forbidden-by-caa') return check;
    const blame = check.verdict === 'unknown' ? 'outside' : 'dns';
    throw new TryFault(blame, check.findings.join(' '));
  }

  /** The CAs that are well and that CAA records let issue; the one that has an order for the name already goes first. */
  private async permitted({ name, record }: NameEntry): Promise<AcmeCa[]> {
    const nowMs = this.tools.nowMs();
    const well = this.cas.filter(({ availableAtMs }) => availableAtMs <= nowMs);
    const caa = await findCaa(name, (at) => this.dns.caa(at));
    const judged = await Promise.all(
      well.map(async (ca) => ({
        ca,
        isPermitted: !caa || permitsCa(caa, name.startsWith('*.'), await this.identitiesOf(ca)),
      })),
    );
    const permitted = judged.filter(({ isPermitted }) => isPermitted).map(({ ca }) => ca);
    return permitted.sort((a, b) => Number(b.url === record.order?.directory) - Number(a.url === record.order?.directory));
  }

  private async orderAt(ca: AcmeCa, entry: NameEntry, steps: IssueSteps, isProxied: boolean): Promise<CertificateRecord> {
    const { name, record, certificate } = entry;
    const { meta, renewalInfo } = await ca.readDirectory();
    steps.onOrdering();
    const replaces = renewalInfo !== undefined && certificate?.from === ca.url ? certificate.ariId : undefined;
    const saveRecord = async (dnsRecord: PendingOrder['dnsRecord']): Promise<void> => {
      if (!entry.record.order) return;
      const { dnsRecord: _before, ...order } = entry.record.order;
      await steps.saveOrder(dnsRecord ? { ...order, dnsRecord } : order);
    };
    const proof = new NameProof(
      { ...this.tools, acme: this.acme, dns: this.dns },
      { name, failures: record.failures, isProxied, leftRecord: record.order?.dnsRecord, saveRecord },
    );
    return ca.withAccount((client) =>
      orderCertificate({
        ...{ client, name, proof, replaces, directory: ca.url, host: ca.host, nowMs: this.tools.nowMs },
        profile: ca.profile !== undefined && ca.profile in meta.profiles ? ca.profile : undefined,
        pending: entry.record.order,
        permit: () => steps.permit.use(),
        save: (order) => steps.saveOrder(order),
      }),
    );
  }

  /** What it means for the CA; answers with what it means for the name. */
  private note(ca: AcmeCa, { domain }: NameEntry, error: unknown): TryFault {
    const fault = toTryFault(error, ca.host);
    if (!(fault instanceof TryFault)) return new TryFault('outside', `something went wrong here: ${messageOf(error)}`, { cause: error });
    if (error instanceof AcmeFault && error.type === 'rateLimited') ca.noteRateLimit(domain, error.retryAfterMs);
    else if (fault.blame === 'ca') ca.noteFault(fault.retryAfterMs);
    return fault;
  }

  /** A CA that does not answer names none; the DNS can be looked at all the same. */
  private async identitiesOf(ca: AcmeCa): Promise<readonly string[]> {
    if (ca.availableAtMs > this.tools.nowMs()) return [];
    const directory = await ca.readDirectory().catch(() => undefined);
    return directory?.meta.caaIdentities ?? [];
  }

  private provesByDnsFirst(name: string): boolean {
    return proofTypes(this.acme, { name, failures: 0, isProxied: false })[0] === 'dns-01';
  }

  private publicAddresses(): readonly string[] {
    return this.acme.publicAddresses.length > 0 ? this.acme.publicAddresses : findPublicAddresses();
  }
}

function noProofText(name: string): string {
  return name.startsWith('*.')
    ? 'a wildcard is proved by a DNS record only: set acme.dnsHook, or list the names below it one by one'
    : 'no port that CAs check is served, and acme.dnsHook is not set';
}
