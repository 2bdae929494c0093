/**
 * Of shells and commands in a tenant's sandbox. After the control call (`shell`, `exec`) was answered, its connection carries frames:
 * a byte for the type, four for the payload's length, big-endian, then the payload.
 *
 * From `tenantctl` to the terminal program in the sandbox, as it is; the daemon passes bytes on and reads none of them. The other
 * way the daemon puts what comes out of the sandbox, whatever it is, into frames of its own (`sessionFrames`): so nothing in the
 * sandbox can speak for the daemon, and the daemon parses nothing that came from there. Both ends distrust each other.
 */
import type { Writable } from 'node:stream';
import type { ErrorCode } from '../base/error-codes.ts';

/** `tenantctl` to the terminal program. */
export const clientFrames = {
  /** Bytes; no more than there is credit for. */
  stdin: 1,
  stdinEnd: 2,
  /** Columns and rows, two bytes each. */
  resize: 3,
  /** The number of one of `sessionSignals`, a byte. */
  signal: 4,
} as const;

/** The terminal program to `tenantctl`, inside of `sessionFrames.output`. */
export const programFrames = {
  stdout: 17,
  stderr: 18,
  /** So many bytes of stdin were taken: as many more may come. Four bytes. */
  credit: 19,
  /** Exit code and signal number, a byte each; all output came before. */
  exit: 20,
} as const;

/** The daemon to `tenantctl`. */
export const sessionFrames = {
  /** A piece of what the sandbox says. */
  output: 33,
  /** SessionEnd as JSON; nothing comes after it. */
  end: 34,
} as const;

/** Why there is no more. */
export interface SessionEnd {
  /** The terminal program's, as a shell shows it; null when nobody could tell. */
  exitCode: number | null;
  outOfMemory: boolean;
  /** It did not end by itself. */
  error?: { code: ErrorCode; message: string; fix: string };
}

export interface TerminalSize {
  columns: number;
  rows: number;
}

/** argv[2] of the terminal program, as JSON. */
export interface TerminalSettings {
  /** A program and its arguments; absent: the login shell. */
  command?: readonly string[];
  /** Absent: stdin, stdout and stderr are pipes. */
  tty?: TerminalSize & { term: string };
  /** Where to begin, if it is there. */
  directory: string;
  /** Before the `$` of the shell's prompt. */
  prompt: string;
  /** The app's secrets come on a pipe (`hand-over.ts`). */
  withSecrets: boolean;
}

/** Its connection with the daemon, and the pipe with secrets. */
export const terminalSocketFd = 3;
export const terminalHandOverFd = 4;

export const maxPayloadBytes = 64 << 10;
/** Of stdin, on the way: so that a resize or a signal never waits behind input that nobody reads. */
export const stdinWindowBytes = 256 << 10;

/** What a client may send to what runs, by number (signal(7)). */
export const sessionSignals = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;
export type SessionSignal = keyof typeof sessionSignals;

const headerBytes = 5;

/** Settles when the bytes have left this process, which is the back-pressure; rejects when the stream is gone. */
export function writeFrame(stream: Writable, type: number, payload: Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const header = Buffer.allocUnsafe(headerBytes);
  header.writeUInt8(type);
  header.writeUInt32BE(payload.length, 1);
  stream.cork();
  stream.write(header);
  stream.write(payload, (error) => (error ? reject(error) : resolve()));
  stream.uncork();
  return promise;
}

/** `writeFrame` in pieces that a reader takes. */
export async function writeBytes(stream: Writable, type: number, bytes: Buffer): Promise<void> {
  for (let start = 0; start < bytes.length; start += maxPayloadBytes)
    await writeFrame(stream, type, bytes.subarray(start, start + maxPayloadBytes));
}

/**
 * Takes frames out of a byte stream. The returned function takes chunks and answers false, for good, after a frame over
 * `maxPayloadBytes`: at most that much is ever kept.
 */
export function createFrameReader(onFrame: (type: number, payload: Buffer) => void): (chunk: Buffer) => boolean {
  const kept = Buffer.allocUnsafeSlow(headerBytes + maxPayloadBytes);
  let keptBytes = 0;
  let broken = false;

  return (chunk) => {
    let rest = chunk;
    while (!broken && keptBytes + rest.length >= headerBytes) {
      const length = lengthOf(rest);
      if (length > maxPayloadBytes) {
        broken = true;
        break;
      }
      const frameBytes = headerBytes + length;
      if (keptBytes + rest.length < frameBytes) break;
      rest = takeFrame(rest, frameBytes);
    }
    if (!broken) keep(rest);
    return !broken;
  };

  function lengthOf(rest: Buffer): number {
    if (keptBytes === 0) return rest.readUInt32BE(1);
    if (keptBytes >= headerBytes) return kept.readUInt32BE(1);
    rest.copy(kept, keptBytes, 0, headerBytes - keptBytes);
    return kept.readUInt32BE(1);
  }

  /** Answers with what comes after it. */
  function takeFrame(rest: Buffer, frameBytes: number): Buffer {
    const missingBytes = frameBytes - keptBytes;
    if (keptBytes > 0) rest.copy(kept, keptBytes, 0, missingBytes);
    // The payload may be on its way for long: it is not of the memory that the next frame is kept in.
    const frame = keptBytes > 0 ? Buffer.from(kept.subarray(0, frameBytes)) : rest;
    keptBytes = 0;
    onFrame(frame.readUInt8(), frame.subarray(headerBytes, frameBytes));
    return rest.subarray(missingBytes);
  }

  function keep(rest: Buffer): void {
    rest.copy(kept, keptBytes);
    keptBytes += rest.length;
  }
}

export function encodeSize({ columns, rows }: TerminalSize): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt16BE(Math.min(columns, 0xffff));
  payload.writeUInt16BE(Math.min(rows, 0xffff), 2);
  return payload;
}

/** Undefined for what no terminal has. */
export function decodeSize(payload: Buffer): TerminalSize | undefined {
  if (payload.length !== 4) return undefined;
  const [columns, rows] = [payload.readUInt16BE(), payload.readUInt16BE(2)];
  return columns > 0 && rows > 0 ? { columns, rows } : undefined;
}

export function encodeCount(count: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(count);
  return payload;
}

export function decodeCount(payload: Buffer): number {
  return payload.length === 4 ? payload.readUInt32BE() : 0;
}

export function signalNumbered(number: number | undefined): SessionSignal | undefined {
  return (Object.keys(sessionSignals) as SessionSignal[]).find((name) => sessionSignals[name] === number);
}
