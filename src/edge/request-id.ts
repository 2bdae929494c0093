import { randomFillSync } from 'node:crypto';

const idBytes = 12;
const idsPerFill = 512;

/** Ids of 96 random bits, as hexadecimal; the random bytes are drawn in bulk, which makes one cost next to nothing. */
export function createRequestIds(): () => string {
  const pool = Buffer.alloc(idBytes * idsPerFill);
  let at = pool.length;
  return () => {
    if (at === pool.length) {
      randomFillSync(pool);
      at = 0;
    }
    at += idBytes;
    return pool.toString('hex', at - idBytes, at);
  };
}
