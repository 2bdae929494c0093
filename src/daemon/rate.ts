/** A token bucket: `burst` at once, then `perSecond`. */
export function createRate(options: { burst: number; perSecond: number; nowMs: () => number }): { take(): boolean } {
  let tokens = options.burst;
  let lastMs = options.nowMs();
  return {
    take() {
      const nowMs = options.nowMs();
      tokens = Math.min(options.burst, tokens + ((nowMs - lastMs) / 1000) * options.perSecond);
      lastMs = nowMs;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
