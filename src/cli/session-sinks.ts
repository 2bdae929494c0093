import type { Writable } from 'node:stream';
import type { Sink } from './session-client.ts';

export function sinkTo(stream: Writable): Sink {
  // Each write tells its own fault.
  stream.on('error', () => {});
  return (bytes) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    stream.write(bytes, (error) => (error ? reject(error) : resolve()));
    return promise;
  };
}

export interface Capture {
  sink: Sink;
  text(): string;
  isCut(): boolean;
}

/** Keeps the first `maxBytes`. */
export function createCapture(maxBytes: number): Capture {
  const kept: Buffer[] = [];
  let keptBytes = 0;
  let cut = false;
  return {
    async sink(bytes) {
      const fitting = bytes.subarray(0, maxBytes - keptBytes);
      cut ||= fitting.length < bytes.length;
      keptBytes += fitting.length;
      // Its own memory: what it lies in is much larger when little comes at a time.
      if (fitting.length > 0) kept.push(Buffer.from(fitting));
    },
    text: () => Buffer.concat(kept).toString('utf8'),
    isCut: () => cut,
  };
}
