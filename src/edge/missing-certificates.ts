/** So long a host is not told of again. */
const quietMs = 10_000;
/** Hosts that are remembered; with so many new ones in that time the others are told of later. */
const maxHosts = 1_000;

/** Tells of hosts whose handshakes fail for want of a certificate: seldom, however often clients try. */
export function createMissingCertificates(tell: (host: string) => void, nowMs: () => number): (host: string) => void {
  const toldAtMs = new Map<string, number>();
  return (host) => {
    const now = nowMs();
    if (now - (toldAtMs.get(host) ?? -Infinity) < quietMs) return;
    // The oldest come first.
    for (const [other, atMs] of toldAtMs) if (now - atMs >= quietMs) toldAtMs.delete(other);
    if (toldAtMs.size >= maxHosts) return;
    toldAtMs.delete(host);
    toldAtMs.set(host, now);
    tell(host);
  };
}
