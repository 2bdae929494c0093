const newline = 0x0a;

/**
 * Cuts a byte stream into lines (without their newline). The returned function takes chunks and answers false,
 * for good, once a line grew over `maxLineBytes`: at most that much is ever kept.
 */
export function createLineSplitter(maxLineBytes: number, onLine: (line: Buffer) => void): (chunk: Buffer) => boolean {
  let parts: Buffer[] = [];
  let keptBytes = 0;
  let broken = false;

  return (chunk) => {
    let start = 0;
    while (!broken) {
      const end = chunk.indexOf(newline, start);
      const piece = chunk.subarray(start, end === -1 ? chunk.length : end);
      if (keptBytes + piece.length > maxLineBytes) {
        broken = true;
        parts = [];
        break;
      }
      if (end === -1) {
        if (piece.length > 0) parts.push(piece);
        keptBytes += piece.length;
        return true;
      }
      const line = parts.length === 0 ? piece : Buffer.concat([...parts, piece]);
      parts = [];
      keptBytes = 0;
      start = end + 1;
      onLine(line);
    }
    return false;
  };
}
