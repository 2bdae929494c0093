import tty from 'node:tty';
// @ts-expect-error -- the package describes its own JavaScript only
import { requireBinary } from '@lydell/node-pty/requireBinary.js';
import type { TerminalSize } from '../protocol/terminal.ts';
import { type Program, type ProgramExit, type ProgramOptions, signalGroup, throughShell } from './program.ts';

/**
 * The compiled part of node-pty 1.1.0. Its own JavaScript around it closes the terminal 200 ms after the program ended, read or
 * not, and takes input without an end and without saying when it was read: both are for us to decide.
 */
interface Binding {
  fork(
    file: string,
    args: readonly string[],
    env: readonly string[],
    cwd: string,
    columns: number,
    rows: number,
    // -1: as this process.
    uid: number,
    gid: number,
    utf8: boolean,
    // For macOS.
    helper: string,
    onExit: (code: number, signal: number) => void,
  ): { fd: number; pid: number };
  resize(fd: number, columns: number, rows: number): void;
}

/** `scripts/build.ts` puts the file beside the bundle. */
const loadBinding = requireBinary as (file: string) => Binding;
const endOfInput = '\x04';

/** A program as the leader of a session whose terminal is a new one. */
export function startTerminalProgram({ command, env, cwd }: ProgramOptions, size: TerminalSize): Program {
  const binding = loadBinding('pty.node');
  const { promise: exited, resolve } = Promise.withResolvers<ProgramExit>();
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const [file, args] = throughShell(command);
  const { fd, pid } = binding.fork(file, args, variables, cwd, size.columns, size.rows, -1, -1, true, '', (code, signal) =>
    resolve({ code, signal }),
  );
  const terminal = new tty.ReadStream(fd);
  return {
    input: terminal,
    endInput: () => terminal.write(endOfInput),
    outputs: [{ stream: terminal, isError: false }],
    resize({ columns, rows }) {
      // The number may be another file's by then.
      if (!terminal.destroyed) binding.resize(fd, columns, rows);
    },
    signal: (signal) => signalGroup(pid, signal),
    exited,
  };
}
