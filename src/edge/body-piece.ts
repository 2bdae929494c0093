import type { BodyReader } from '../http1/body.ts';

/** What to pass on of bytes that a body has just taken; undefined for nothing. */
export function pieceOf({ passEnd, tail }: BodyReader, bytes: Buffer): Buffer | undefined {
  const raw = passEnd === bytes.length ? bytes : bytes.subarray(0, passEnd);
  if (tail !== '') return Buffer.concat([raw, Buffer.from(tail, 'latin1')]);
  return raw.length === 0 ? undefined : raw;
}
