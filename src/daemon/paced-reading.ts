import type { Duplex } from 'node:stream';

export interface PaceSettings {
  burstBytes: number;
  bytesPerSecond: number;
  nowMs: () => number;
}

/** What may be read of one or several streams together: of so many bytes that were read, how long the next have to wait. */
export type Pace = (bytes: number) => number;

/** `burstBytes` at once, then `bytesPerSecond`. */
export function createPace({ burstBytes, bytesPerSecond, nowMs }: PaceSettings): Pace {
  let allowedBytes = burstBytes;
  let lastMs = nowMs();
  return (bytes) => {
    const now = nowMs();
    allowedBytes = Math.min(burstBytes, allowedBytes + ((now - lastMs) / 1_000) * bytesPerSecond) - bytes;
    lastMs = now;
    return allowedBytes >= 0 ? 0 : Math.ceil((-allowedBytes / bytesPerSecond) * 1_000);
  };
}

/**
 * What comes faster than its pace waits with who sends it, and everyone else is served meanwhile. Called before the stream's reader is
 * set; what it answers with ends it.
 */
export function paceReading(stream: Duplex, pace: Pace): () => void {
  let timer: NodeJS.Timeout | undefined;
  const hear = (chunk: Buffer): void => {
    const waitMs = pace(chunk.length);
    if (waitMs === 0) return;
    stream.pause();
    timer = setTimeout(() => stream.resume(), waitMs);
  };
  const stop = (): void => {
    clearTimeout(timer);
    stream.off('data', hear);
  };
  stream.on('data', hear);
  stream.once('close', stop);
  return stop;
}
