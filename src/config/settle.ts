export interface Settler<Key> {
  /** Something happened to `key`. */
  touch(key: Key): void;
  stop(): void;
}

export interface SettleOptions<Key> {
  /** Told this long after the last touch... */
  quietMs: number;
  /** ...and at the latest this long after the first one that was not told yet. */
  maxMs: number;
  onSettled: (key: Key) => void;
}

/** Makes one call of many touches of the same key. */
export function createSettler<Key>({ quietMs, maxMs, onSettled }: SettleOptions<Key>): Settler<Key> {
  const waiting = new Map<Key, { firstMs: number; timer: NodeJS.Timeout }>();

  function settle(key: Key): void {
    waiting.delete(key);
    onSettled(key);
  }

  return {
    touch(key) {
      const before = waiting.get(key);
      clearTimeout(before?.timer);
      const nowMs = performance.now();
      const firstMs = before?.firstMs ?? nowMs;
      const delayMs = Math.max(0, Math.min(quietMs, firstMs + maxMs - nowMs));
      waiting.set(key, { firstMs, timer: setTimeout(settle, delayMs, key) });
    },
    stop() {
      for (const { timer } of waiting.values()) clearTimeout(timer);
      waiting.clear();
    },
  };
}
