const pieceBytes = 128 << 10;

/** The same bytes in fewer, larger pieces: a stream spends more on each than on its bytes. */
export async function* inPieces(buffers: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let [kept, keptBytes]: [Buffer[], number] = [[], 0];
  for await (const buffer of buffers) {
    kept.push(buffer);
    keptBytes += buffer.length;
    if (keptBytes < pieceBytes) continue;
    yield Buffer.concat(kept, keptBytes);
    [kept, keptBytes] = [[], 0];
  }
  if (keptBytes > 0) yield Buffer.concat(kept, keptBytes);
}
