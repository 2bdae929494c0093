import type { RequestLimits } from '../../src/protocol/edge.ts';

/** Nothing is limited but what a test sets. */
export const generousLimits: RequestLimits = {
  ...{ bodySizeBytes: 64 << 20, headSizeBytes: 64 << 10, targetSizeBytes: 8 << 10 },
  ...{ requestsPerSecond: 0, concurrentRequests: 10_000, queuedRequests: 100, webSockets: 1_000, connectionsPerAddress: 0 },
  ...{ idleTimeoutMs: 60_000, tunnelIdleTimeoutMs: 600_000, responseTimeoutMs: 60_000, requestTimeoutMs: 0 },
};
