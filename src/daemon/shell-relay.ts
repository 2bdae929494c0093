import type { Duplex, Readable } from 'node:stream';
import { sessionFrames, type SessionEnd, writeBytes, writeFrame } from '../protocol/terminal.ts';
import type { Sandbox } from './sandbox-registry.ts';
import type { Recording } from './shell-recording.ts';

export type EndReason = NonNullable<SessionEnd['error']>;

export interface Relay {
  /** Politely, with a message to the client. */
  end(reason: EndReason): void;
  ended: Promise<RelayEnd>;
}

export interface RelayEnd extends SessionEnd {
  /** As they came and went, frames and all. */
  bytesIn: number;
  bytesOut: number;
}

export interface RelayParts {
  sandbox: Sandbox;
  /** The sandbox's connection. */
  program: Duplex;
  client: Duplex;
  recording: Recording | undefined;
  /** Without a byte either way; undefined: for ever. */
  idleMs: number | undefined;
  onIdle: () => EndReason;
}

/** More than the terminal program takes to hang up on what it runs, and to kill it. */
const endGraceMs = 3_000;
/** For a client to take what is left to be said. */
const farewellMs = 10_000;

/**
 * Joins a client and a sandbox, byte for byte, until one of them is gone.
 *
 * Invariants:
 * - Nothing is read from one side that the other has not taken: what is held here is one chunk each way.
 * - When the client is gone the sandbox ends; when the sandbox is gone the client is told why.
 */
export function relaySession({ sandbox, program, client, recording, idleMs, onIdle }: RelayParts): Relay {
  let [bytesIn, bytesOut] = [0, 0];
  let reason: EndReason | undefined;
  let hasExited = false;
  const idleTimer = idleMs === undefined ? undefined : setTimeout(() => end(onIdle()), idleMs);

  async function passOn(from: Readable, take: (chunk: Buffer) => Promise<void>): Promise<void> {
    try {
      for await (const chunk of from) {
        idleTimer?.refresh();
        await take(chunk as Buffer);
      }
    } catch {
      // One of the two is gone, which is the end in any case.
    }
  }

  const input = passOn(client, async (chunk) => {
    bytesIn += chunk.length;
    recording?.hearClient(chunk);
    await write(program, chunk);
  });
  const output = passOn(program, async (chunk) => {
    bytesOut += chunk.length;
    recording?.hearProgram(chunk);
    await writeBytes(client, sessionFrames.output, chunk);
  });
  // Also when it only ended its direction: a client tells the end of stdin by a frame.
  void input.then(() => client.destroy());
  client.once('close', () => void stop(0));
  if (client.destroyed) void stop(0);

  function end(why: EndReason): void {
    reason ??= why;
    void stop(endGraceMs);
  }

  /** The sandbox's last words wait for the client for so long. */
  async function stop(lastWordsMs: number): Promise<void> {
    if (hasExited) return;
    const timer = setTimeout(() => program.destroy(), lastWordsMs);
    // A fault in it is told by `exited`, too.
    await sandbox.stop(endGraceMs).catch(() => {});
    clearTimeout(timer);
  }

  async function finish(): Promise<RelayEnd> {
    const exit = await sandbox.exited;
    hasExited = true;
    await output;
    clearTimeout(idleTimer);
    const sessionEnd: SessionEnd = { ...exit, ...(reason && { error: reason }) };
    sayFarewell(sessionEnd);
    return { ...sessionEnd, bytesIn, bytesOut };
  }

  function sayFarewell(sessionEnd: SessionEnd): void {
    const timer = setTimeout(() => client.destroy(), farewellMs);
    client.once('close', () => clearTimeout(timer));
    if (client.destroyed) return clearTimeout(timer);
    writeFrame(client, sessionFrames.end, Buffer.from(JSON.stringify(sessionEnd))).catch(() => {});
    client.end();
  }

  return { end, ended: finish() };
}

function write(stream: Duplex, chunk: Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  stream.write(chunk, (error) => (error ? reject(error) : resolve()));
  return promise;
}
