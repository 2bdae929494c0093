import type { Duplex } from 'node:stream';
import {
  clientFrames,
  encodeSize,
  sessionSignals,
  type SessionSignal,
  stdinWindowBytes,
  writeBytes,
  writeFrame,
} from '../protocol/terminal.ts';
import type { SessionStreams } from './session-streams.ts';
import { createEscapeFilter } from './terminal-escape.ts';

export interface SessionInput {
  /** The other side took so much. */
  credit(bytes: number): void;
  signal(signal: SessionSignal): void;
  stop(): void;
}

/** Sends what is typed, or piped in, and the size of the window. A terminal is in raw mode until `stop`. */
export function startSessionInput(stream: Duplex, streams: SessionStreams, tty: boolean, onEscape: () => void): SessionInput {
  const { input } = streams;
  const escape = createEscapeFilter();
  let creditBytes = stdinWindowBytes;

  /** What can't be sent has nobody to go to. */
  function send(type: number, payload: Buffer): void {
    writeFrame(stream, type, payload).catch(() => {});
  }

  function hear(chunk: Buffer): void {
    const bytes = tty ? escape.pass(chunk) : chunk;
    if (escape.isDone()) return onEscape();
    creditBytes -= bytes.length;
    writeBytes(stream, clientFrames.stdin, bytes).catch(() => {});
    if (creditBytes <= 0) input.pause();
  }

  input.on('data', hear);
  input.on('end', () => send(clientFrames.stdinEnd, Buffer.alloc(0)));
  if (tty) {
    streams.setRawMode(true);
    streams.onResize(() => send(clientFrames.resize, encodeSize(streams.size())));
  }

  return {
    credit(bytes) {
      creditBytes += bytes;
      if (creditBytes > 0) input.resume();
    },
    signal: (signal) => send(clientFrames.signal, Buffer.from([sessionSignals[signal]])),
    stop() {
      input.off('data', hear).pause();
      if ('unref' in input && typeof input.unref === 'function') input.unref();
      if (tty) streams.setRawMode(false);
    },
  };
}
