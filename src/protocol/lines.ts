const newline = 0x0a;
const firstCapacityBytes = 1024;

/**
 * Cuts a byte stream into lines (without their newline). The returned function takes chunks and answers false,
 * for good, once a line grew over `maxLineBytes`: at most that much is ever kept. The start of a line is copied into one
 * buffer: a list of pieces would cost a peer that sends single bytes nothing, and us a hundred bytes for each.
 */
export function createLineSplitter(maxLineBytes: number, onLine: (line: Buffer) => void): (chunk: Buffer) => boolean {
  let kept: Buffer = Buffer.alloc(0);
  let keptBytes = 0;
  let broken = false;

  return (chunk) => {
    let start = 0;
    while (!broken) {
      const end = chunk.indexOf(newline, start);
      const piece = chunk.subarray(start, end === -1 ? chunk.length : end);
      if (keptBytes + piece.length > maxLineBytes) {
        broken = true;
        kept = Buffer.alloc(0);
        break;
      }
      if (end === -1) {
        keep(piece);
        return true;
      }
      start = end + 1;
      onLine(keptBytes === 0 ? piece : takeKeptWith(piece));
    }
    return false;
  };

  function keep(piece: Buffer): void {
    const neededBytes = keptBytes + piece.length;
    if (neededBytes > kept.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(maxLineBytes, Math.max(neededBytes, 2 * kept.length, firstCapacityBytes)));
      kept.copy(larger, 0, 0, keptBytes);
      kept = larger;
    }
    piece.copy(kept, keptBytes);
    keptBytes = neededBytes;
  }

  /** The line's buffer goes to whoever gets the line. */
  function takeKeptWith(piece: Buffer): Buffer {
    keep(piece);
    const line = kept.subarray(0, keptBytes);
    kept = Buffer.alloc(0);
    keptBytes = 0;
    return line;
  }
}
