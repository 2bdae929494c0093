const tlvHeadBytes = 3;
const crc32cType = 0x03;
const sslType = 0x20;
/** `client` and `verify`; what follows are TLVs of its own. */
const sslMinBytes = 5;
const clientUsesTls = 0x01;

/** Reads what counts of the additions to a PROXY header of version 2, from `start` to the header's end; skips the others. */
export function readProxyTlvs(header: Buffer, start: number): { secure: boolean } | { fault: string } {
  let secure = false;
  let checked = false;
  for (let at = start; at < header.length;) {
    const value = at + tlvHeadBytes;
    const end = value <= header.length ? value + header.readUInt16BE(at + 1) : Infinity;
    if (end > header.length) return { fault: 'a PROXY header whose additions are longer than itself' };
    if (header[at] === crc32cType) {
      // Once: each check reads the whole header.
      if (checked || end - value !== 4 || !checksumFits(header, value)) return { fault: 'a PROXY header with a wrong checksum' };
      checked = true;
    }
    if (header[at] === sslType && end - value >= sslMinBytes) secure = (header.readUInt8(value) & clientUsesTls) !== 0;
    at = end;
  }
  return { secure };
}

/** Over the whole header, with the checksum itself as zeros. */
function checksumFits(header: Buffer, at: number): boolean {
  const zeroed = Buffer.from(header);
  zeroed.writeUInt32BE(0, at);
  return crc32c(zeroed) === header.readUInt32BE(at);
}

/** RFC 3720 B.4: Castagnoli's polynomial, reflected. Bit by bit: a table is not worth it for a header a connection. */
function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
