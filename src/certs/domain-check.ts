import { isIPv4 } from 'node:net';
import type { DnsRecord, NameCheck } from '../protocol/certs.ts';
import { findPublicAddresses, proxyOf, sameAddress } from './addresses.ts';
import { type CaaSet, findCaa, permitsCa } from './caa.ts';
import { DnsLookup } from './dns-lookup.ts';
import { messageOf } from '../base/errors.ts';

export interface CheckFacts {
  dns: Pick<DnsLookup, 'addresses4' | 'addresses6' | 'alias' | 'caa'>;
  /** Where the name must point to; empty: not known. */
  publicAddresses: readonly string[];
  /** Of each CA that may be asked, the names it goes by in CAA records. Empty: nobody is to be asked, or it is not known. */
  caIdentities: readonly (readonly string[])[];
  /** Only the zone has to be right, not the address: dns-01. */
  byDnsOnly: boolean;
}

type Verdict = NameCheck['verdict'];

const maxAliases = 16;

/** Looks a name up and says in plain words whether a certificate can be had for it. Does not throw: that is a verdict, too. */
export async function checkDomain(name: string, facts: CheckFacts): Promise<NameCheck> {
  const probe = name.replace(/^\*\./, 'certificate-check.');
  const expected = facts.publicAddresses.map((value): DnsRecord => ({ name, type: isIPv4(value) ? 'A' : 'AAAA', value }));
  const result: NameCheck = { name, verdict: 'unknown', expected, found: [], findings: [] };
  try {
    const target = await followAliases(probe, facts, result);
    if (target === undefined) return result;
    const addresses = await findAddresses(target, facts, result);
    judgeAddresses(name, addresses, facts, result);
    await judgeCaa(name, facts, result);
  } catch (error) {
    result.verdict = 'unknown';
    result.findings.push(`Nothing is known for now: ${messageOf(error)}. It is tried again later.`);
  }
  return result;
}

/** The last name of the chain of CNAME records; undefined when it leads nowhere. */
async function followAliases(name: string, { dns }: CheckFacts, result: NameCheck): Promise<string | undefined> {
  const seen = [name];
  for (let at = name; ;) {
    const alias = await dns.alias(at);
    if (alias === undefined) return at;
    result.found.push({ name: at, type: 'CNAME', value: alias });
    if (seen.includes(alias) || seen.length >= maxAliases) {
      result.verdict = 'loop';
      result.findings.push(
        `The CNAME records go in a circle or on for too long: ${[...seen, alias].join(' -> ')}. Point one of them to this machine.`,
      );
      return undefined;
    }
    seen.push(alias);
    at = alias;
  }
}

async function findAddresses(name: string, { dns }: CheckFacts, result: NameCheck): Promise<string[]> {
  const [four, six] = await Promise.all([dns.addresses4(name), dns.addresses6(name)]);
  const records = [...four.map((value) => ({ type: 'A' as const, value })), ...six.map((value) => ({ type: 'AAAA' as const, value }))];
  result.found.push(...records.slice(0, 64).map((record) => ({ name, ...record })));
  return [...four, ...six];
}

function judgeAddresses(name: string, addresses: readonly string[], { publicAddresses, byDnsOnly }: CheckFacts, result: NameCheck): void {
  const say = (verdict: Verdict, finding: string): void => {
    result.verdict = verdict;
    result.findings.push(finding);
  };
  if (addresses.length === 0) {
    const fix = expectedText(publicAddresses);
    return say(
      'no-records',
      `${name} has no address in the DNS yet. Add ${fix}; new records take some minutes to be seen.${dnsOnlyText(byDnsOnly)}`,
    );
  }
  const proxies = new Set(addresses.map(proxyOf).filter((proxy) => proxy !== undefined));
  const [proxy] = proxies;
  if (proxy !== undefined)
    return say(
      'behind-proxy',
      `${name} points to ${proxy}, which must pass requests on to this machine. There, set encryption to "Full (strict)": with "Flexible" it asks for plain http, is sent to https, and so on in a loop.`,
    );
  const strays = addresses.filter((address) => isStray(address, publicAddresses));
  if (strays.length > 0) {
    const fix = expectedText(publicAddresses);
    return say(
      'elsewhere',
      `${name} points to ${strays.join(', ')}, not to this machine. Remove these records and set ${fix}.${dnsOnlyText(byDnsOnly)}`,
    );
  }
  if (addresses.some((address) => publicAddresses.some((own) => sameAddress(own, address))))
    return say('points-here', `${name} points here.`);
  say('unknown', `${name} has addresses, but it is not known which this machine has in the internet: set acme.publicAddresses.`);
}

/** Only where the machine's addresses of that family are known: CAs go back from IPv6 to IPv4 when nobody answers. */
function isStray(address: string, publicAddresses: readonly string[]): boolean {
  const ofFamily = publicAddresses.filter((own) => isIPv4(own) === isIPv4(address));
  return ofFamily.length > 0 && !ofFamily.some((own) => sameAddress(own, address));
}

function expectedText(publicAddresses: readonly string[]): string {
  if (publicAddresses.length === 0) return "an A record with this machine's public address";
  return publicAddresses.map((address) => `${isIPv4(address) ? 'A' : 'AAAA'} ${address}`).join(' or ');
}

function dnsOnlyText(byDnsOnly: boolean): string {
  return byDnsOnly ? ' (The certificate does not need it: it is proved by a TXT record.)' : '';
}

async function judgeCaa(name: string, { dns, caIdentities }: CheckFacts, result: NameCheck): Promise<void> {
  const caa = await findCaa(name, (at) => dns.caa(at));
  if (!caa) return;
  result.found.push(
    ...caa.records
      .slice(0, 32)
      .map(({ tag, value }): DnsRecord => ({ name: caa.at, type: 'CAA', value: `${tag} "${value}"`.slice(0, 1_024) })),
  );
  if (caIdentities.length === 0 || caIdentities.some((identities) => permitsCa(caa, name.startsWith('*.'), identities))) return;
  result.verdict = 'forbidden-by-caa';
  result.findings.push(caaFinding(name, caa, caIdentities.flat()));
}

function caaFinding(name: string, { at }: CaaSet, identities: readonly string[]): string {
  const tag = name.startsWith('*.') ? 'issuewild' : 'issue';
  const wanted = identities.map((identity) => `\`${at} CAA 0 ${tag} "${identity}"\``).join(' or ');
  return `The CAA records of ${at} do not let this CA issue for ${name}. Add ${wanted}, or remove them.`;
}

/** Where the local CA signs: the certificate needs no records, visitors do. */
export async function checkWithoutAcme(name: string): Promise<NameCheck> {
  const dns = new DnsLookup([]);
  try {
    return await checkDomain(name, { dns, publicAddresses: findPublicAddresses(), caIdentities: [], byDnsOnly: false });
  } finally {
    dns.close();
  }
}
