import { createHash } from 'node:crypto';
import { TenantdError } from '../base/errors.ts';
import type { EgressTable } from '../privileged/egress-rules.ts';
import { contains, parseBlock } from './egress-list.ts';

/** Not 53: the machine's own resolver may have that on all its addresses, and ours is not root. */
const dnsPort = 10_053;

/** Where tenants' links are, and what is named how: two daemons over different states keep apart. */
export type EgressPlaces = Omit<EgressTable, 'guarded' | 'pool6'> & { pool6: string };

export interface TenantPlace {
  link: string;
  address4: string;
  address6: string;
}

export function egressPlaces(addresses: string, stateDir: string): EgressPlaces {
  const hash = createHash('sha256').update(stateDir).digest('hex');
  return {
    name: `tenantd-${hash.slice(0, 8)}`,
    linkPrefix: `td${hash.slice(0, 8)}`,
    pool4: addresses,
    gateway4: gatewayOf(addresses),
    dnsPort,
    // A network of our own that is like no other (RFC 4193).
    pool6: `fd${hash.slice(8, 10)}:${hash.slice(10, 14)}:${hash.slice(14, 18)}::/64`,
  };
}

/** The same for all tenants: their way out, and their name server. */
export function gatewayOf(addresses: string): string {
  return toText(toNumber(parseBlock(addresses).address) + 1);
}

export function gateway6Of({ pool6 }: EgressPlaces): string {
  return asKernelWrites(pool6.replace('::/64', '::1'));
}

/** `number` counts from 0; throws TENANTD_E_EGRESS where there is no address for it. */
export function placeOf({ linkPrefix, pool4, pool6 }: EgressPlaces, number: number): TenantPlace {
  const { address, bits } = parseBlock(pool4);
  const offset = number + 2;
  if (number < 0 || offset >= 2 ** (32 - bits) - 1) {
    const fix = 'give a wider block as network.addresses in tenantd.yaml: as wide as uids.count';
    throw new TenantdError('TENANTD_E_EGRESS', `${pool4} has no address for this tenant`, fix);
  }
  return {
    link: `${linkPrefix}${number.toString(36)}`,
    address4: toText(toNumber(address) + offset),
    address6: asKernelWrites(pool6.replace('::/64', `::${(offset >>> 16).toString(16)}:${(offset & 0xffff).toString(16)}`)),
  };
}

/** Throws TENANTD_E_EGRESS when the machine uses some of these addresses itself. `routed`: what it has routes to. */
export function assertFree({ pool4 }: EgressPlaces, routed: readonly string[]): void {
  // Half the internet, say, as some VPNs take it, is a way out and no network of the machine's.
  const networks = routed.filter((block) => parseBlock(block).bits >= 8);
  const other = networks.find((block) => contains(pool4, block) || contains(block, pool4));
  if (other === undefined) return;
  const fix = 'give an unused private block as network.addresses in tenantd.yaml, and restart tenantd';
  throw new TenantdError('TENANTD_E_EGRESS', `${pool4} is for tenants' links, but the machine has a route to ${other}`, fix);
}

/** What ip(8) shows is compared with it (RFC 5952: no leading zeros, the longest row of zeros left out). */
function asKernelWrites(address6: string): string {
  return new URL(`http://[${address6}]`).hostname.slice(1, -1);
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toText(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
}
