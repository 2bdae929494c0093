import type { Duplex } from 'node:stream';

/**
 * Reads no more than `burstBytes` at once, then `bytesPerSecond`: what comes faster waits with who sends it, and everyone else is
 * served meanwhile. Called before the stream's reader is set.
 */
export function paceReading(stream: Duplex, options: { burstBytes: number; bytesPerSecond: number; nowMs: () => number }): void {
  const { burstBytes, bytesPerSecond, nowMs } = options;
  let allowedBytes = burstBytes;
  let lastMs = nowMs();
  stream.on('data', (chunk: Buffer) => {
    const now = nowMs();
    allowedBytes = Math.min(burstBytes, allowedBytes + ((now - lastMs) / 1_000) * bytesPerSecond) - chunk.length;
    lastMs = now;
    if (allowedBytes >= 0) return;
    stream.pause();
    const timer = setTimeout(() => stream.resume(), Math.ceil((-allowedBytes / bytesPerSecond) * 1_000));
    stream.once('close', () => clearTimeout(timer));
  });
}
