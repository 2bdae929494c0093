import type { Channel } from '../protocol/channel.ts';
import type { DnsRecord } from '../protocol/certs.ts';
import type { DomainCheckResult } from '../protocol/certificate-calls.ts';

export interface RecordsToSet {
  /** Of each name one suffices. */
  records: DnsRecord[];
  /** Names of the TXT records by which a CA has wildcards proved (dns-01, RFC 8555, 8.4). They are set for each order, not by people. */
  challenges: string[];
  /** Names that every resolver leads to its own machine (RFC 6761, 6.3): none is to be set. */
  local: string[];
  /** Those for which no record can be told: the machine's public addresses are not known. */
  unknown: string[];
}

/** What must be set is the same for every name: the daemon, which may wait for the DNS, is asked about one. */
export async function findRecordsToSet(channel: Channel, names: readonly string[], timeoutMs: number): Promise<RecordsToSet> {
  const [local, others] = [names.filter(isLocal), names.filter((name) => !isLocal(name))];
  const challenges = others.filter((name) => name.startsWith('*.')).map((name) => `_acme-challenge.${name.slice(2)}`);
  const [first] = others;
  if (first === undefined) return { records: [], challenges, local, unknown: [] };
  const { check } = (await channel.request('domain-check', { name: first }, timeoutMs)) as DomainCheckResult;
  const records = others.flatMap((name) => check.expected.map((record) => ({ ...record, name })));
  return { records, challenges, local, unknown: records.length === 0 ? others : [] };
}

function isLocal(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost');
}
