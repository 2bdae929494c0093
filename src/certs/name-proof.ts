import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { AcmeConfiguration, AddressChallenge, EdgeChallenge } from '../protocol/certs.ts';
import type { Proof } from './acme-order.ts';
import type { DnsLookup } from './dns-lookup.ts';
import { awaitRecord, canProveByDns, challengeNameOf, changeRecord } from './dns-proof.ts';
import { makeProofCertificate } from './tls-alpn.ts';
import { TryFault } from './try-fault.ts';

export interface DnsRecordSet {
  name: string;
  value: string;
}

export interface ProofTools {
  acme: AcmeConfiguration;
  dns: DnsLookup;
  log: Log;
  nowMs: () => number;
  /** Resolves when every edge serves it. */
  setChallenge: (challenge: EdgeChallenge) => Promise<unknown>;
  removeChallenge: (type: AddressChallenge, host: string) => Promise<unknown>;
}

export interface ProofOptions {
  name: string;
  /** The next one in the list is tried after each failure. */
  failures: number;
  /** Behind a proxy that ends TLS: only what goes through it. */
  isProxied: boolean;
  /** Left behind by a killed process. */
  leftRecord: DnsRecordSet | undefined;
  /** On disk before the record is set, so that it is removed whatever happens. */
  saveRecord: (record: DnsRecordSet | undefined) => Promise<void>;
}

/** dns-01 for wildcards (RFC 8555, 7.1.3); for others what the edges serve, and dns-01 last. */
export function proofTypes(
  acme: AcmeConfiguration,
  { name, failures, isProxied }: Pick<ProofOptions, 'name' | 'failures' | 'isProxied'>,
): string[] {
  const byDns = canProveByDns(acme) ? ['dns-01'] : [];
  if (name.startsWith('*.')) return byDns;
  const served = acme.challenges.filter((type) => !(isProxied && type === 'tls-alpn-01'));
  const all = [...served, ...byDns];
  const first = all.length === 0 ? 0 : failures % all.length;
  return [...all.slice(first), ...all.slice(0, first)];
}

export class NameProof implements Proof {
  readonly types: readonly string[];
  private readonly tools: ProofTools;
  private readonly options: ProofOptions;
  private served: AddressChallenge | undefined = undefined;
  private record: DnsRecordSet | undefined;

  constructor(tools: ProofTools, options: ProofOptions) {
    this.tools = tools;
    this.options = options;
    this.record = options.leftRecord;
    this.types = proofTypes(tools.acme, options);
  }

  async present(type: string, token: string, keyAuthorization: string): Promise<void> {
    const { name: host } = this.options;
    switch (type) {
      case 'http-01':
        return this.serve({ type, host, token, keyAuthorization });
      case 'tls-alpn-01':
        return this.serve({ type, host, ...(await makeProofCertificate(host, keyAuthorization, this.tools.nowMs())) });
      case 'dns-01':
        return this.publish(keyAuthorization);
      default:
        throw new TryFault('refused', `nobody knows the challenge ${type}`);
    }
  }

  async cleanUp(): Promise<void> {
    const { tools, served, record } = this;
    this.served = undefined;
    this.record = undefined;
    try {
      if (served) await tools.removeChallenge(served, this.options.name);
      if (!record) return;
      await changeRecord(tools.acme, tools.dns, 'cleanup', record, tools.nowMs());
      await this.options.saveRecord(undefined);
    } catch (error) {
      // A challenge that stays proves nothing to anybody else.
      tools.log.warn({ name: this.options.name }, `the challenge of ${this.options.name} was not removed: ${messageOf(error)}`);
    }
  }

  private async serve(challenge: EdgeChallenge): Promise<void> {
    this.served = challenge.type;
    try {
      await this.tools.setChallenge(challenge);
    } catch (error) {
      throw new TryFault('outside', `the edges do not serve the challenge: ${messageOf(error)}`, { cause: error });
    }
  }

  /** acme-client gives the value of the TXT record itself for dns-01. */
  private async publish(value: string): Promise<void> {
    const { acme, dns, nowMs, log } = this.tools;
    const record = { name: challengeNameOf(this.options.name), value };
    await this.options.saveRecord(record);
    this.record = record;
    await changeRecord(acme, dns, 'present', record, nowMs());
    if (!(await awaitRecord(dns, record))) log.warn({}, `the resolvers do not show ${record.name} yet; the CA is asked all the same`);
  }
}
