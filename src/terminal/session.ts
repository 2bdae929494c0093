import type { Duplex } from 'node:stream';
import {
  clientFrames,
  createFrameReader,
  decodeSize,
  encodeCount,
  programFrames,
  signalNumbered,
  stdinWindowBytes,
  writeBytes,
  writeFrame,
} from '../protocol/terminal.ts';
import { passOn, untilPassedOn } from './output.ts';
import type { Program, ProgramExit } from './program.ts';

export interface Session {
  /** Ends the program: it is hung up on, and killed if it stays. */
  hangUp: () => void;
  /** Settles when the program has ended, and its end and all that it said were told, if anybody listens. */
  ended: Promise<ProgramExit>;
}

/** Between SIGHUP and SIGKILL; the daemon waits longer before it kills all. */
const hangUpGraceMs = 2_000;

/**
 * Joins a program and the connection that its session came with. The client is taken at its word in nothing but what
 * happens to this one program.
 */
export function runSession(program: Program, connection: Duplex): Session {
  let unreadBytes = 0;
  let hungUp = false;

  const frames: Record<number, (payload: Buffer) => void> = {
    [clientFrames.stdin]: takeInput,
    [clientFrames.stdinEnd]: () => program.endInput(),
    [clientFrames.resize](payload) {
      const size = decodeSize(payload);
      if (size) program.resize(size);
    },
    [clientFrames.signal](payload) {
      const signal = signalNumbered(payload[0]);
      if (signal) program.signal(signal);
    },
  };
  const read = createFrameReader((type, payload) => frames[type]?.(payload));
  connection.on('data', (chunk: Buffer) => {
    if (!read(chunk) || unreadBytes > 2 * stdinWindowBytes) hangUp();
  });
  for (const event of ['end', 'error', 'close']) connection.on(event, hangUp);
  // It may close its input whenever it likes.
  program.input.on('error', () => {});

  function takeInput(payload: Buffer): void {
    unreadBytes += payload.length;
    program.input.write(payload, () => {
      unreadBytes -= payload.length;
      say(programFrames.credit, encodeCount(payload.length));
    });
  }

  /** What nobody hears is not said. */
  function say(type: number, payload: Buffer): void {
    writeFrame(connection, type, payload).catch(() => {});
  }

  function hangUp(): void {
    if (hungUp) return;
    hungUp = true;
    program.signal('SIGHUP');
    // What is stopped hears nothing else.
    program.signal('SIGCONT');
    const timer = setTimeout(() => program.signal('SIGKILL'), hangUpGraceMs);
    void program.exited.then(() => clearTimeout(timer));
  }

  async function end(): Promise<ProgramExit> {
    const exit = await program.exited;
    await untilPassedOn(outputs);
    await writeFrame(connection, programFrames.exit, Buffer.from([exit.code, exit.signal])).catch(() => {});
    return exit;
  }

  const outputs = program.outputs.map(({ stream, isError }) =>
    passOn(stream, (chunk) => writeBytes(connection, isError ? programFrames.stderr : programFrames.stdout, chunk)),
  );
  return { hangUp, ended: end() };
}
