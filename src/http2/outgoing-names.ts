import { staticTable } from './static-table.ts';

/** What the encoder must know of a field's name. */
export interface OutgoingName {
  /** In the static table, 0 when it is not there. */
  readonly index: number;
  /** Never to be put into a table, here or further on (RFC 7541 7.1.3). */
  readonly secret: boolean;
  /** HTTP/2 has no place for it (RFC 9113 8.2.2). */
  readonly forbidden: boolean;
}

const secrets = new Set(['set-cookie', 'cookie', 'authorization', 'proxy-authorization']);
const forbidden = ['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'http2-settings'];

const known = new Map<string, OutgoingName>();
for (const [at, { name }] of staticTable.entries()) {
  if (!known.has(name)) known.set(name, { index: at + 1, secret: secrets.has(name), forbidden: false });
}
for (const name of forbidden) known.set(name, { index: 0, secret: false, forbidden: true });

const unknown: OutgoingName = { index: 0, secret: false, forbidden: false };

/** `name` in lower case. */
export function outgoingName(name: string): OutgoingName {
  return known.get(name) ?? unknown;
}
