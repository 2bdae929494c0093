import { BlockList, isIPv4 } from 'node:net';
import { closedBlocks } from '../base/public-address.ts';
import type { EgressTarget } from '../config/addresses.ts';
import type { Opening } from '../privileged/egress-rules.ts';

/** A tenant's `network.egress`, as rules and names. */
export interface EgressList {
  /** Blocks that are private, or one address: opened whatever they are. */
  named: Opening[];
  /** Of wider ones only what is public: `0.0.0.0/0:80` is not to open a cloud's metadata. */
  wide: Opening[];
  /** Lower case, punycode; `*.` in front of a wildcard. */
  names: { host: string; port: number }[];
  anyPublic: boolean;
}

export function toEgressList(targets: 'any' | readonly EgressTarget[]): EgressList {
  const all = targets === 'any' ? [] : targets;
  const blocks = all.flatMap((target) => ('block' in target ? [target] : []));
  return {
    named: withoutOverlaps(blocks.filter(({ block }) => namesItself(block))),
    wide: withoutOverlaps(blocks.filter(({ block }) => !namesItself(block))),
    names: all.flatMap((target) => ('host' in target ? [target] : [])),
    anyPublic: targets === 'any',
  };
}

/** Ports that the list has for a name. */
export function portsOf({ names }: EgressList, name: string): number[] {
  const isMeant = (host: string): boolean => host === name || (host.startsWith('*.') && name.endsWith(host.slice(1)));
  return [...new Set(names.filter(({ host }) => isMeant(host)).map(({ port }) => port))];
}

export function parseBlock(block: string): { address: string; bits: number; family: 'ipv4' | 'ipv6' } {
  const [address = '', bits] = block.split('/');
  const isOld = isIPv4(address);
  return { address, bits: Number(bits ?? (isOld ? 32 : 128)), family: isOld ? 'ipv4' : 'ipv6' };
}

/** Whether the first has all addresses of the second. */
export function contains(outer: string, inner: string): boolean {
  const [large, small] = [parseBlock(outer), parseBlock(inner)];
  if (large.family !== small.family || large.bits > small.bits) return false;
  const list = new BlockList();
  list.addSubnet(large.address, large.bits, large.family);
  return list.check(small.address, small.family);
}

function namesItself(block: string): boolean {
  const { bits, family } = parseBlock(block);
  return bits === (family === 'ipv4' ? 32 : 128) || closedBlocks[family].some((closed) => contains(closed, block));
}

/** nftables takes no two elements that have an address in common. The widest come first: two blocks are apart, or one is in the other. */
function withoutOverlaps(openings: readonly Opening[]): Opening[] {
  const byPort = Map.groupBy(openings, ({ port }) => port);
  return [...byPort.values()].flatMap((same) => {
    const covered = new BlockList();
    return same
      .map((opening) => ({ opening, ...parseBlock(opening.block) }))
      .toSorted((a, b) => a.bits - b.bits)
      .filter(({ address, bits, family }) => {
        if (covered.check(address, family)) return false;
        covered.addSubnet(address, bits, family);
        return true;
      })
      .map(({ opening }) => opening);
  });
}
