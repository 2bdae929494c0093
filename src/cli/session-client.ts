import type { Duplex } from 'node:stream';
import { TenantdError } from '../base/errors.ts';
import {
  createFrameReader,
  decodeCount,
  programFrames,
  sessionFrames,
  type SessionEnd,
  type SessionSignal,
  sessionSignals,
} from '../protocol/terminal.ts';
import { type SessionInput, startSessionInput } from './session-input.ts';
import type { SessionStreams } from './session-streams.ts';

/** Settles when the bytes were taken; rejects when nobody will. */
export type Sink = (bytes: Buffer) => Promise<void>;

export interface ClientSession {
  stream: Duplex;
  streams: SessionStreams;
  tty: boolean;
  output: Sink;
  errors: Sink;
}

export interface ClientEnd {
  /** As a shell shows it: 128 + signal. */
  exitCode: number;
  /** What ended the command. */
  signal?: number;
  /** It, or something of it, was ended at the memory limit. */
  outOfMemory: boolean;
}

/** How long a command has to end after a signal, before its session is closed on it. */
const signalGraceMs = 5_000;
/** The reader of our output is gone: as if the command itself had written to it. */
const brokenPipe = 128 + 13;

/** What a full-screen program leaves on when it is killed: its screen, mouse reports, bracketed paste, keypad, a hidden cursor, colours. */
const resetModes = '\x1b[?1047l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b[?25h\x1b[0m\r\n';

/** Runs until the session ends. Throws when the daemon ended it, or is gone. */
export async function runClientSession(session: ClientSession): Promise<ClientEnd> {
  const { stream, streams, tty } = session;
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<SessionSignal>();
  const received = createReceiver(session, (bytes) => input.credit(bytes));
  const input: SessionInput = startSessionInput(stream, streams, tty, () => interrupt('SIGHUP'));
  const timer = forwardSignals(streams, tty, input, interrupt);
  try {
    const signal = await Promise.race([received.all().then(() => undefined), interrupted]);
    if (signal === undefined) return received.end();
    // A reader that does not read holds what we write; nothing but the signal itself gets by that.
    if (received.isWriting()) setImmediate(() => streams.die(signal));
    return { exitCode: 128 + sessionSignals[signal], outOfMemory: false };
  } finally {
    clearTimeout(timer());
    stream.destroy();
    input.stop();
    if (tty && !received.hasExit()) streams.output.write(resetModes);
  }
}

/** With a terminal, keys come as bytes, and a signal is for us. Without, the first one is for the command. */
function forwardSignals(
  streams: SessionStreams,
  tty: boolean,
  input: SessionInput,
  interrupt: (signal: SessionSignal) => void,
): () => NodeJS.Timeout | undefined {
  let timer: NodeJS.Timeout | undefined;
  streams.onSignal((signal) => {
    if (tty || timer) return interrupt(signal);
    input.signal(signal);
    timer = setTimeout(() => interrupt(signal), signalGraceMs);
  });
  return () => timer;
}

interface Receiver {
  /** Settles when nothing more comes and all was written. */
  all(): Promise<void>;
  end(): ClientEnd;
  hasExit(): boolean;
  isWriting(): boolean;
}

function createReceiver({ stream, output, errors }: ClientSession, onCredit: (bytes: number) => void): Receiver {
  let writes: Promise<void>[] = [];
  let exit: { code: number; signal: number } | undefined;
  let sessionEnd: SessionEnd | undefined;
  let isPipeBroken = false;

  const readProgram = createFrameReader((type, payload) => {
    if (type === programFrames.stdout) writes.push(output(payload));
    if (type === programFrames.stderr) writes.push(errors(payload));
    if (type === programFrames.credit) onCredit(decodeCount(payload));
    if (type === programFrames.exit && payload.length === 2) exit = { code: payload.readUInt8(), signal: payload.readUInt8(1) };
  });
  const readSession = createFrameReader((type, payload) => {
    if (type === sessionFrames.output && !readProgram(payload)) stream.destroy(new Error('what came from the sandbox is not of a session'));
    if (type === sessionFrames.end) sessionEnd = JSON.parse(payload.toString()) as SessionEnd;
  });

  async function all(): Promise<void> {
    try {
      for await (const chunk of stream) {
        if (!readSession(chunk as Buffer)) return;
        await writeOut();
      }
    } catch {
      // The connection broke: `end` says what that means.
    }
  }

  /** Nothing more is read before. */
  async function writeOut(): Promise<void> {
    try {
      await Promise.all(writes);
    } catch (error) {
      isPipeBroken = true;
      throw error;
    } finally {
      writes = [];
    }
  }

  function end(): ClientEnd {
    if (isPipeBroken) return { exitCode: brokenPipe, outOfMemory: false };
    if (sessionEnd?.error) throw new TenantdError(sessionEnd.error.code, sessionEnd.error.message, sessionEnd.error.fix);
    const outOfMemory = sessionEnd?.outOfMemory ?? false;
    if (exit?.signal) return { exitCode: 128 + exit.signal, signal: exit.signal, outOfMemory };
    if (exit) return { exitCode: exit.code, outOfMemory };
    if (sessionEnd) return { exitCode: sessionEnd.exitCode ?? 137, outOfMemory };
    throw new TenantdError('TENANTD_E_UNREACHABLE', 'the daemon closed the connection', 'run the command again when the daemon is back');
  }

  return { all, end, hasExit: () => exit !== undefined, isWriting: () => writes.length > 0 };
}
