import { networkInterfaces } from 'node:os';

/** With a thousand tenants' links, reading them takes milliseconds. */
const keptMs = 5_000;

/** The machine's addresses: names may not lead to them. */
export function createOwnAddresses(nowMs: () => number): { has: (address: string) => boolean } {
  let own: ReadonlySet<string> = new Set();
  let readAtMs = -Infinity;
  return {
    has(address) {
      if (nowMs() - readAtMs >= keptMs) {
        own = new Set(Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map((entry) => entry.address)));
        readAtMs = nowMs();
      }
      return own.has(address);
    },
  };
}
