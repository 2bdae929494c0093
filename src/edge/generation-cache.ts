interface Generation<Owner, Value> {
  byOwner: Map<Owner, Map<string, Value>>;
  count: number;
  sinceMs: number;
}

/**
 * Values by owner and key, for keys that strangers choose.
 *
 * Invariants:
 * - At most `limit`, in two generations: when the younger has half of them, or is old, the older is dropped, and the younger takes
 *   its place. What is used moves to the younger one; so what nobody uses goes, without a look at each, or a timer.
 * - A value that was found or set stays for at least the next `limit / 2` others.
 */
export class GenerationCache<Owner extends object, Value> {
  private readonly limit: number;
  private readonly generationMs: number;
  private young: Generation<Owner, Value> = newGeneration(0);
  private old: Generation<Owner, Value> = newGeneration(0);

  constructor(limit: number, generationMs: number) {
    this.limit = limit;
    this.generationMs = generationMs;
  }

  get size(): number {
    return this.young.count + this.old.count;
  }

  find(owner: Owner, key: string, nowMs: number): Value | undefined {
    const young = this.young.byOwner.get(owner)?.get(key);
    if (young !== undefined) return young;
    const old = this.old.byOwner.get(owner)?.get(key);
    if (old !== undefined) this.set(owner, key, old, nowMs);
    return old;
  }

  set(owner: Owner, key: string, value: Value, nowMs: number): void {
    if (this.young.count >= this.limit / 2 || Math.abs(nowMs - this.young.sinceMs) >= this.generationMs) {
      this.old = this.young;
      this.young = newGeneration(nowMs);
    }
    let values = this.young.byOwner.get(owner);
    if (!values) this.young.byOwner.set(owner, (values = new Map()));
    if (!values.has(key)) this.young.count += 1;
    // A copy: as a part of a request's head the key would keep all of that in memory.
    values.set(Buffer.from(key, 'latin1').toString('latin1'), value);
  }
}

function newGeneration<Owner, Value>(sinceMs: number): Generation<Owner, Value> {
  return { byOwner: new Map(), count: 0, sinceMs };
}
