import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { EdgeKeyNotifications } from '../protocol/edge.ts';

interface RingKey {
  readonly id: string;
  readonly privateKey: string;
  /** Since when it is what it is: the next, the one that signs, or the last. */
  readonly sinceMs: number;
}

/** The keys of a ring, with what `sinceMs` was ago: for a process with another clock. */
export interface ContextRingState {
  signing: AgedKey;
  next?: AgedKey;
  last?: AgedKey;
}

interface AgedKey {
  id: string;
  privateKey: string;
  ageMs: number;
}

const lifeMs = 24 * 3_600_000;
/** Before a key signs, and after it did: for so long an app may keep what was published, and find every token's key there. */
const publishedMs = 10 * 60_000;

/**
 * The Ed25519 keys that sign `x-tenantd-context`, one after another.
 *
 * Invariants:
 * - A key was published for ten minutes before it signs, however late a check comes; only the first one ever was not.
 * - A key that signed is published for ten minutes more.
 */
export class ContextKeyRing {
  private signing: RingKey;
  private next: RingKey | undefined = undefined;
  private last: RingKey | undefined = undefined;

  constructor(nowMs: number, before?: ContextRingState) {
    this.signing = before ? keyOf(before.signing, nowMs) : newKey(nowMs);
    this.next = before?.next && keyOf(before.next, nowMs);
    this.last = before?.last && keyOf(before.last, nowMs);
  }

  state(nowMs: number): ContextRingState {
    const aged = ({ id, privateKey, sinceMs }: RingKey): AgedKey => ({ id, privateKey, ageMs: nowMs - sinceMs });
    const { signing, next, last } = this;
    return { signing: aged(signing), ...(next && { next: aged(next) }), ...(last && { last: aged(last) }) };
  }

  /** The one that signs first. */
  get keys(): EdgeKeyNotifications['set-context-keys']['keys'] {
    return [this.signing, this.next, this.last].flatMap((key) => (key ? [{ id: key.id, privateKey: key.privateKey }] : []));
  }

  /** Does what is due; whether that was anything. */
  turn(nowMs: number): boolean {
    const isDue = (key: RingKey | undefined, afterMs: number): key is RingKey => key !== undefined && nowMs - key.sinceMs >= afterMs;
    const { signing, next, last } = this;
    if (isDue(last, publishedMs)) this.last = undefined;
    if (isDue(next, publishedMs)) {
      this.last = { ...signing, sinceMs: nowMs };
      this.signing = { ...next, sinceMs: nowMs };
      this.next = undefined;
    } else if (!next && isDue(signing, lifeMs - publishedMs)) this.next = newKey(nowMs);
    return signing !== this.signing || next !== this.next || last !== this.last;
  }
}

function keyOf({ id, privateKey, ageMs }: AgedKey, nowMs: number): RingKey {
  return { id, privateKey, sinceMs: nowMs - ageMs };
}

function newKey(sinceMs: number): RingKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  const der = privateKey.export({ format: 'der', type: 'pkcs8' });
  return { id: randomBytes(9).toString('base64url'), privateKey: der.toString('base64'), sinceMs };
}
