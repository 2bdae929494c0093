/** Whether a certificate for `names` (lower case; wildcards as `*.example.com`) is one for `host`. */
export function coversHost(names: ReadonlySet<string> | undefined, host: string): boolean {
  return names !== undefined && (names.has(host) || names.has(wildcardFor(host)));
}

/** A certificate's wildcard stands for one label (RFC 6125 6.4.3). */
export function wildcardFor(host: string): string {
  return `*${host.slice(host.indexOf('.'))}`;
}
