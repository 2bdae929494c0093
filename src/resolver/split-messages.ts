/** RFC 1035, 4.2.2: by TCP each message has its length before it. The function answers false when one is too long, or empty. */
export function splitMessages(maxBytes: number, onMessage: (message: Buffer) => void): (chunk: Buffer) => boolean {
  let kept: Buffer = Buffer.alloc(0);
  return (chunk) => {
    kept = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
    while (kept.length >= 2) {
      const length = kept.readUInt16BE(0);
      if (length > maxBytes || length === 0) return false;
      if (kept.length < 2 + length) break;
      onMessage(kept.subarray(2, 2 + length));
      kept = kept.subarray(2 + length);
    }
    return true;
  };
}
