import type { Duplex, Readable, Writable } from 'node:stream';
import type { SessionSignal, TerminalSize } from '../protocol/terminal.ts';

/** What a session runs: behind a terminal, or behind pipes. */
export interface Program {
  input: Writable | Duplex;
  /** Nothing more is to be read: a terminal is told by Ctrl-D. */
  endInput(): void;
  /** Without a terminal, stderr is apart. */
  outputs: { stream: Readable; isError: boolean }[];
  resize(size: TerminalSize): void;
  /** To the program and what it started in its process group. */
  signal(signal: SessionSignal | 'SIGCONT' | 'SIGKILL'): void;
  exited: Promise<ProgramExit>;
}

export interface ProgramExit {
  code: number;
  /** 0 when no signal ended it. */
  signal: number;
}

export interface ProgramOptions {
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  cwd: string;
}

/** As a shell ends that found a program and could not start it. */
export const cannotStart = 126;

/** A shell finds the program, says why it can't, and ends with 127 or 126 then, as everybody expects. */
export function throughShell(command: readonly string[]): [file: string, args: string[]] {
  return ['/bin/sh', ['-c', 'exec "$@"', 'sh', ...command]];
}

/** A group that is gone has nothing to be told. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It ended.
  }
}
