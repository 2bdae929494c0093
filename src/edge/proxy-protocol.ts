import type { ProxyHeaderRead } from './proxied-connection.ts';
import { readProxyHeaderV1, v1Prefix } from './proxy-protocol-v1.ts';
import { readProxyHeaderV2, v2Signature } from './proxy-protocol-v2.ts';

/**
 * Reads the header that a proxy puts before all else on a connection (HAProxy's PROXY protocol, versions 1 and 2). `bytes` is all
 * that came so far; one that is not done yet is shorter than 4 KiB.
 */
export function readProxyHeader(bytes: Buffer): ProxyHeaderRead {
  if (beginsLike(bytes, v1Prefix)) return readProxyHeaderV1(bytes);
  if (beginsLike(bytes, v2Signature)) return readProxyHeaderV2(bytes);
  return { fault: 'no PROXY header' };
}

/** As far as there are bytes. */
function beginsLike(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.compare(signature, 0, length, 0, length) === 0;
}
