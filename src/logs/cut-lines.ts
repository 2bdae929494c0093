const newline = 0x0a;
const carriageReturn = 0x0d;

export interface LineCutter {
  /** The chunk may be reused afterwards. */
  push(chunk: Buffer): void;
  /** Hands out what was printed without a newline at the end. */
  end(): void;
}

/** Cuts what a program prints into lines of text; one over `maxLineBytes` comes in pieces, so that only that much is kept. */
export function createLineCutter(maxLineBytes: number, onLine: (line: string) => void): LineCutter {
  let kept: Buffer = Buffer.alloc(0);

  function emit(line: Buffer): void {
    onLine(line.toString('utf8', 0, line.at(-1) === carriageReturn ? line.length - 1 : line.length));
  }

  function emitPieces(line: Buffer): Buffer {
    let rest = line;
    while (rest.length > maxLineBytes) {
      const cut = characterBoundary(rest, maxLineBytes);
      onLine(rest.toString('utf8', 0, cut));
      rest = rest.subarray(cut);
    }
    return rest;
  }

  return {
    push(chunk) {
      let rest = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
      for (let end = rest.indexOf(newline); end !== -1; end = rest.indexOf(newline)) {
        emit(emitPieces(rest.subarray(0, end)));
        rest = rest.subarray(end + 1);
      }
      kept = Buffer.from(emitPieces(rest));
    },
    end() {
      if (kept.length > 0) emit(kept);
      kept = Buffer.alloc(0);
    },
  };
}

/** The last place at or before `at` where a UTF-8 sequence does not continue (RFC 3629: at most 3 bytes back). */
function characterBoundary(bytes: Buffer, at: number): number {
  for (let cut = at; cut > at - 4 && cut > 0; cut -= 1) {
    if (((bytes[cut] ?? 0) & 0xc0) !== 0x80) return cut;
  }
  return at;
}
