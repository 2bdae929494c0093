/** Keeps the last bytes of what a process of ours printed, to explain its end. */
export function keepLastOutput(stream: NodeJS.ReadableStream | null, maxBytes = 4_096): () => string {
  let kept = Buffer.alloc(0);
  stream?.on('data', (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]).subarray(-maxBytes);
  });
  return () => kept.toString('utf8').trim();
}
