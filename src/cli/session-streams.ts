import { spawnSync } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { SessionSignal, TerminalSize } from '../protocol/terminal.ts';

/** What a session in a sandbox is joined with on this side. */
export interface SessionStreams {
  /** Both stdin and stdout are a terminal. */
  isTerminal: boolean;
  /** As the environment has it. */
  term: string | undefined;
  input: Readable;
  output: Writable;
  errors: Writable;
  size(): TerminalSize;
  onResize(callback: () => void): void;
  setRawMode(raw: boolean): void;
  onSignal: (callback: (signal: SessionSignal) => void) => void;
  /** Ends this process at once, as the signal would have. */
  die: (signal: SessionSignal) => void;
}

type FromMain = Pick<SessionStreams, 'term' | 'onSignal' | 'die'>;

const defaultSize: TerminalSize = { columns: 80, rows: 24 };

export function openSessionStreams(fromMain: FromMain): SessionStreams {
  const { stdin, stdout, stderr } = process;
  return {
    ...fromMain,
    isTerminal: stdin.isTTY && stdout.isTTY,
    input: stdin,
    output: stdout,
    errors: stderr,
    // A terminal that does not know says 0.
    size: () => ({ columns: stdout.columns || defaultSize.columns, rows: stdout.rows || defaultSize.rows }),
    onResize: (callback) => void stdout.on('resize', callback),
    setRawMode(raw) {
      if (!stdin.isTTY) return;
      stdin.setRawMode(raw);
      // Node's raw mode still makes "\r\n" of "\n", by which full-screen programs move down and not left. `false` undoes this, too.
      if (raw) spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
    },
  };
}
