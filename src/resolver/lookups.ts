import { rcode } from '../dns/message.ts';
import { LookupCache } from './lookup-cache.ts';
import { type AnsweredRecord, interpretAnswer, type UpstreamAnswer } from './upstream-answer.ts';
import type { Upstreams } from './upstreams.ts';

/** What is known of a name. Never changed: a newer one is another object. */
export interface Lookup {
  readonly name: string;
  readonly type: number;
  /** `noError` without records: there is the name, but nothing of it that may be told. */
  readonly rcode: number;
  /** Of addresses, public ones only. */
  readonly records: readonly AnsweredRecord[];
  /** Left out of what the upstream answered: private, or the machine's own. */
  readonly closed: readonly string[];
  readonly expiresMs: number;
}

export interface LookupsOptions {
  upstreams: Upstreams;
  /** Whether names may lead there. */
  isOpen: (address: string) => boolean;
  nowMs: () => number;
}

/** Below, apps would ask all the time; above, a name that moves would not be followed. */
const positiveTtl = { minSeconds: 5, maxSeconds: 300 };
const negativeTtl = { minSeconds: 1, maxSeconds: 60 };
/** RFC 9520, 3.2: at least a second. */
const failureTtlSeconds = 1;
/** Alias by alias, where the upstream does not follow them. */
const maxQuestions = 8;

/**
 * Looks names up, once for all who ask the same at the same time.
 *
 * Invariant: what one tenant asks takes nothing from the cache but what that tenant's questions put there.
 */
export class Lookups {
  private readonly options: LookupsOptions;
  private readonly cache: LookupCache;
  private readonly running = new Map<string, Promise<Lookup>>();

  constructor(options: LookupsOptions) {
    this.options = options;
    this.cache = new LookupCache(options.nowMs);
  }

  /** At once, when it is known. */
  known(name: string, type: number): Lookup | undefined {
    return this.cache.get(name, type);
  }

  find(tenant: string, name: string, type: number): Promise<Lookup> {
    const key = `${type} ${name}`;
    const running = this.running.get(key);
    if (running) return running;
    const started = this.ask(name, type)
      .then((lookup) => {
        this.cache.set(tenant, lookup);
        return lookup;
      })
      // Also after a fault: it would be everybody's answer for ever.
      .finally(() => this.running.delete(key));
    this.running.set(key, started);
    return started;
  }

  /** What was learned from other servers. */
  forgetAll(): void {
    this.cache.clear();
  }

  private async ask(name: string, type: number): Promise<Lookup> {
    let asked = name;
    let aliasTtlSeconds = Infinity;
    for (let questions = 0; questions < maxQuestions; questions += 1) {
      const exchanged = await this.options.upstreams.ask(asked, type);
      if (!exchanged) break;
      const answer = interpretAnswer(exchanged.bytes, exchanged.message, asked, type);
      if (answer.kind !== 'alias') return this.toLookup(name, type, answer, aliasTtlSeconds);
      aliasTtlSeconds = Math.min(aliasTtlSeconds, answer.ttlSeconds);
      asked = answer.name;
    }
    return this.make(name, type, { rcode: rcode.serverFailure, ttlSeconds: failureTtlSeconds });
  }

  private toLookup(name: string, type: number, answer: Exclude<UpstreamAnswer, { kind: 'alias' }>, aliasTtlSeconds: number): Lookup {
    if (answer.kind === 'none') return this.make(name, type, { rcode: answer.rcode, ttlSeconds: between(negativeTtl, answer.ttlSeconds) });
    const { isOpen } = this.options;
    const closed = answer.records.flatMap(({ address }) => (address === undefined || isOpen(address) ? [] : [address]));
    const records = answer.records.filter(({ address }) => address === undefined || !closed.includes(address));
    const ttlSeconds = between(positiveTtl, Math.min(answer.ttlSeconds, aliasTtlSeconds));
    return this.make(name, type, { rcode: rcode.noError, records, closed, ttlSeconds });
  }

  private make(
    name: string,
    type: number,
    found: { rcode: number; records?: readonly AnsweredRecord[]; closed?: readonly string[]; ttlSeconds: number },
  ): Lookup {
    const { ttlSeconds, records = [], closed = [] } = found;
    return { name, type, rcode: found.rcode, records, closed, expiresMs: this.options.nowMs() + ttlSeconds * 1_000 };
  }
}

function between({ minSeconds, maxSeconds }: { minSeconds: number; maxSeconds: number }, seconds: number): number {
  return Math.min(Math.max(seconds, minSeconds), maxSeconds);
}
