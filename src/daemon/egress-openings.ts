import type { OpenAddress } from '../privileged/egress-rules.ts';

interface Opened {
  address: string;
  port: number;
  /** For new connections. */
  untilMs: number;
  names: Set<string>;
}

/** As many as the packet rules keep. */
const maxOpened = 16_384;

/** Which address was opened for which of a tenant's names: what stays when some of them are taken from its list. */
export class EgressOpenings {
  private readonly opened = new Map<string, Opened>();

  note(name: string, { address, port, seconds }: OpenAddress, nowMs: number): void {
    const key = `${address} ${port}`;
    const before = this.opened.get(key);
    const names = before?.names ?? new Set<string>();
    this.opened.delete(key);
    // The last one is the newest.
    this.opened.set(key, { address, port, untilMs: nowMs + seconds * 1_000, names: names.add(name) });
    const [oldest] = this.opened.keys();
    if (this.opened.size > maxOpened && oldest !== undefined) this.opened.delete(oldest);
  }

  /** Forgets what no name may have any more; answers with the rest, with the time that is left for new connections. */
  keepOnly(mayHave: (name: string, port: number) => boolean, nowMs: number): OpenAddress[] {
    for (const [key, { names, port }] of this.opened) {
      for (const name of names) if (!mayHave(name, port)) names.delete(name);
      if (names.size === 0) this.opened.delete(key);
    }
    return [...this.opened.values()].map(({ address, port, untilMs }) => ({
      address,
      port,
      seconds: Math.max(0, (untilMs - nowMs) / 1_000),
    }));
  }
}
