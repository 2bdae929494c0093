/** The edge's bounds (invariant 12) and time limits. One object, so that a test can shorten the times. */
export interface EdgeLimits {
  /** A TLS handshake. */
  handshakeMs: number;
  /** From a head's first byte to its last: against clients that send it drop by drop. */
  headMs: number;
  /** A client's connection without a request. */
  idleMs: number;
  /** Between two pieces of a request's body. */
  bodyStallMs: number;
  /** A client that takes nothing of what waits for it. */
  clientStallMs: number;
  /** A response without progress after the client closed its own direction: it may be gone altogether. */
  halfClosedMs: number;
  /** How long what a client still sends is read and dropped, so that it sees the answer rather than a reset. */
  lingerMs: number;
  /** A request that waits until another one of its tenant is over. */
  queueMs: number;
  /** A request for an app that is starting or sleeping, where its route does not say. */
  holdMs: number;
  /** From one word to the daemon that somebody waits for a sleeping app to the next. */
  wakeRepeatMs: number;
  /** Below the five seconds after which a Node app closes an idle connection. */
  upstreamIdleMs: number;
  /** How often times are looked at. */
  tickMs: number;
  /** Of one tenant, that wait for an app to start or wake: as many as may be open and queued, but within these two. */
  heldRequestsLeast: number;
  heldRequestsMost: number;
  /** Words to the daemon on sleeping apps that are waited for, a second. */
  wakesPerSecond: number;
  idleConnectionsPerUpstream: number;
  interimResponses: number;
  clientConnections: number;
  /** Of these, connections of one tenant's apps that call others'. */
  callsPerTenant: number;
  /** Besides those: connections whose TLS handshake or PROXY header is under way. */
  openingConnections: number;
}

export const defaultLimits: EdgeLimits = {
  handshakeMs: 10_000,
  headMs: 10_000,
  idleMs: 60_000,
  bodyStallMs: 60_000,
  clientStallMs: 120_000,
  halfClosedMs: 60_000,
  lingerMs: 5_000,
  queueMs: 5_000,
  holdMs: 10_000,
  wakeRepeatMs: 1_000,
  upstreamIdleMs: 4_000,
  tickMs: 500,
  heldRequestsLeast: 64,
  heldRequestsMost: 4_096,
  wakesPerSecond: 500,
  idleConnectionsPerUpstream: 256,
  interimResponses: 16,
  clientConnections: 16_384,
  callsPerTenant: 1_024,
  openingConnections: 4_096,
};

/** The usual ones, or less where the process may have only so many descriptors: a fourth of them is for apps, files and channels. */
export function connectionLimits(openFiles: number): Pick<EdgeLimits, 'clientConnections' | 'openingConnections'> {
  const { clientConnections, openingConnections } = defaultLimits;
  const share = Math.min(1, (0.75 * openFiles) / (clientConnections + openingConnections));
  return { clientConnections: Math.floor(share * clientConnections), openingConnections: Math.floor(share * openingConnections) };
}
