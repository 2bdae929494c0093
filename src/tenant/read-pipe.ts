import { closeSync, constants, openSync, readSync } from 'node:fs';
import { Socket } from 'node:net';
import { errnoOf } from '../base/errors.ts';

/** A worker's FIFO, whose other end the worker holds: read as it comes, at a pace that a flood can not press. */
export interface PipeReader {
  /** Reads what is there now without waiting. The writer is gone, so this is all that will come. */
  drain(): void;
  close(): void;
}

/** One for all pipes: what it holds is used up before the next read. A host is paid for by every tenant. */
const sharedBuffer = Buffer.allocUnsafeSlow(16_384);
/** 5 MB/s. A program that prints more waits for its own output. */
const windowBytes = 262_144;
const windowMs = 50;
/** More than a FIFO holds (pipe(7)), for one that grew. */
const maxDrainBytes = 1 << 20;

export function openPipe(path: string, onChunk: (chunk: Buffer) => void): PipeReader {
  let windowStartMs = 0;
  let inWindowBytes = 0;
  let timer: NodeJS.Timeout | undefined;

  const socket = new Socket({ fd: openNonblocking(path), writable: false, onread: { buffer: sharedBuffer, callback: receive } });
  socket.on('error', () => socket.destroy()); // What is left is read by drain().

  function receive(bytes: number): boolean {
    const nowMs = performance.now();
    if (nowMs - windowStartMs > windowMs) {
      windowStartMs = nowMs;
      inWindowBytes = 0;
    }
    inWindowBytes += bytes;
    onChunk(sharedBuffer.subarray(0, bytes));
    if (inWindowBytes < windowBytes) return true;
    timer = setTimeout(() => socket.resume(), windowMs);
    return false;
  }

  function close(): void {
    clearTimeout(timer);
    socket.destroy();
  }

  return {
    drain() {
      close();
      drainNow(path, onChunk);
    },
    close,
  };
}

/** By a descriptor of its own: the socket's may be closed, and its number used again, since the last writer left. */
function drainNow(path: string, onChunk: (chunk: Buffer) => void): void {
  const fd = openIfThere(path);
  if (fd === undefined) return;
  try {
    for (let total = 0; total < maxDrainBytes;) {
      const bytes = readSync(fd, sharedBuffer);
      if (bytes === 0) return;
      total += bytes;
      onChunk(sharedBuffer.subarray(0, bytes));
    }
  } catch (error) {
    if (errnoOf(error) !== 'EAGAIN') throw error; // Empty, and some process still could write.
  } finally {
    closeSync(fd);
  }
}

/** The daemon removes the pipes of a worker that ended while no host was connected. */
function openIfThere(path: string): number | undefined {
  try {
    return openNonblocking(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function openNonblocking(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
}
