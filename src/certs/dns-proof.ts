import { setTimeout as delay } from 'node:timers/promises';
import type { AcmeConfiguration } from '../protocol/certs.ts';
import { type HookAction, runHook } from './dns-hook.ts';
import type { DnsLookup } from './dns-lookup.ts';
import { updateText } from './dns-update.ts';
import { TryFault } from './try-fault.ts';

export type DnsSettings = Pick<AcmeConfiguration, 'dnsHook' | 'rfc2136'>;

const propagationMs = 120_000;
const firstPauseMs = 250;
const longestPauseMs = 5_000;
const maxAliases = 8;

export function canProveByDns({ dnsHook, rfc2136 }: DnsSettings): boolean {
  return dnsHook !== undefined || rfc2136 !== undefined;
}

/** RFC 8555, 8.4: the same for a wildcard as for the name below it. */
export function challengeNameOf(name: string): string {
  return `_acme-challenge.${name.replace(/^\*\./, '')}`;
}

/** Sets or removes the TXT record. An update goes to where CNAME records lead (many zones delegate just this name); a hook knows its zones. */
export async function changeRecord(
  settings: DnsSettings,
  dns: Pick<DnsLookup, 'alias'>,
  action: HookAction,
  record: { name: string; value: string },
  nowMs: number,
): Promise<void> {
  if (settings.rfc2136) return updateText(settings.rfc2136, action, await targetOf(dns, record.name), record.value, nowMs);
  if (settings.dnsHook) return runHook(settings.dnsHook, action, record.name, record.value);
  throw new TryFault('refused', 'there is no way to set DNS records: neither acme.dnsHook nor RFC 2136 updates are configured');
}

async function targetOf(dns: Pick<DnsLookup, 'alias'>, name: string): Promise<string> {
  let at = name;
  for (let count = 0; count < maxAliases; count += 1) {
    const alias = await dns.alias(at);
    if (alias === undefined) return at;
    at = alias;
  }
  throw new TryFault('dns', `the CNAME records of ${name} go on for too long`);
}

/** Until the resolvers show the record. CAs ask the zone's own servers, so a resolver that remembers its absence is waited for in vain: hence the end. */
export async function awaitRecord(dns: Pick<DnsLookup, 'texts'>, { name, value }: { name: string; value: string }): Promise<boolean> {
  const endMs = performance.now() + propagationMs;
  for (let pauseMs = firstPauseMs; performance.now() < endMs; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
    const texts = await dns.texts(name).catch((error: unknown): string[] => {
      // It may come back meanwhile.
      if (error instanceof TryFault) return [];
      throw error;
    });
    if (texts.includes(value)) return true;
    await delay(pauseMs);
  }
  return false;
}
