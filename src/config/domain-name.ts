import { domainToASCII } from 'node:url';
import type { Fault, Parsed } from './values.ts';

/**
 * A host name in the form that requests are compared with: lower case, international names as punycode (RFC 5891), no dot at
 * its end, at most 253 characters in labels of at most 63 (RFC 1035, 2.3.4). `*.` may stand in front of two labels or more:
 * a wildcard over a whole top-level domain would be one over other people's names.
 */
export function parseDomainName(text: string): Parsed<string> {
  const wildcard = text.startsWith('*.');
  const bare = (wildcard ? text.slice(2) : text).replace(/\.$/, '');
  if (text.includes('*', wildcard ? 1 : 0)) return bad('may have "*" only as its whole first label', 'write it like "*.example.com"');
  // The conversion below decodes percent signs, drops soft hyphens and reads 0x7f.1 as an address: nothing of that is a name.
  if (!/^[\p{L}\p{M}\p{N}.-]+$/u.test(bare))
    return bad('must be a host name', 'write it without scheme, port and path, like "acme.example"');
  const ascii = domainToASCII(bare.normalize('NFC').toLowerCase());
  const fault = judgeName(ascii, wildcard);
  return fault ? { fault } : { value: wildcard ? `*.${ascii}` : ascii };
}

function judgeName(ascii: string, wildcard: boolean): Fault | undefined {
  const labels = ascii.split('.');
  if (/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')) return badFault('must be a name, an IP address is none', 'use a domain name');
  if (ascii.length + (wildcard ? 2 : 0) > 253) return badFault('must have at most 253 characters', 'use a shorter name');
  if (labels.some((label) => label.length > 63)) return badFault('must have labels of at most 63 characters', 'use shorter labels');
  if (!labels.every((label) => /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(label)))
    return badFault('must have labels of letters, digits and inner "-"', 'write it like "acme.example"');
  if (wildcard && labels.length < 2)
    return badFault('must not be a wildcard over a whole top-level domain', 'write it like "*.acme.example"');
  return undefined;
}

function bad(message: string, fix: string): { fault: Fault } {
  return { fault: badFault(message, fix) };
}

function badFault(message: string, fix: string): Fault {
  return { message, fix, code: 'TENANTD_E_BAD_DOMAIN' };
}

/** The wildcards that match `host`, the nearest first; at most one label a step, so at most 126 of them. */
export function wildcardsOver(host: string): string[] {
  const labels = (host.startsWith('*.') ? host.slice(2) : host).split('.');
  const first = host.startsWith('*.') ? 0 : 1;
  return labels.slice(first).map((_, index) => `*.${labels.slice(first + index).join('.')}`);
}
