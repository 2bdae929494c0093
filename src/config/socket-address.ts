import { type ListenAddress, parseListenAddress } from './addresses.ts';
import { parseAbsolutePath } from './path-values.ts';
import type { Parsed } from './values.ts';

const prefix = 'unix:';

/** `127.0.0.1:9701`, or `unix:/run/tenantd/metrics.sock`. */
export function parseSocketAddress(text: string): Parsed<ListenAddress | { path: string }> {
  if (!text.startsWith(prefix)) return parseListenAddress(text);
  const path = parseAbsolutePath(text.slice(prefix.length));
  return 'value' in path ? { value: { path: path.value } } : path;
}
