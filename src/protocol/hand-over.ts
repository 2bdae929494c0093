/** How the daemon hands secrets to a worker, on a pipe: the length of all that follows (32 bits, big-endian), then NAME=VALUE and a zero byte for each. */

export interface HandedSecret {
  name: string;
  /** UTF-8, without a zero byte. */
  value: Buffer;
}

const lengthBytes = 4;
const [equals, zero] = [0x3d, 0];

export function encodeHandOver(secrets: readonly HandedSecret[]): Buffer {
  const parts = secrets.flatMap(({ name, value }) => [Buffer.from(`${name}=`), value, Buffer.of(zero)]);
  const header = Buffer.alloc(lengthBytes);
  header.writeUInt32BE(parts.reduce((sum, { length }) => sum + length, 0));
  return Buffer.concat([header, ...parts]);
}

/** Undefined when not all of it arrived. The values share the memory of `bytes`. */
export function decodeHandOver(bytes: Buffer): HandedSecret[] | undefined {
  if (bytes.length < lengthBytes || bytes.readUInt32BE() !== bytes.length - lengthBytes) return undefined;
  const secrets: HandedSecret[] = [];
  for (let start = lengthBytes; start < bytes.length;) {
    const middle = bytes.indexOf(equals, start);
    const end = bytes.indexOf(zero, middle);
    secrets.push({ name: bytes.toString('latin1', start, middle), value: bytes.subarray(middle + 1, end) });
    start = end + 1;
  }
  return secrets;
}
