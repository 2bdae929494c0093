import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { O_RDONLY, O_WRONLY, O_RDWR, O_NONBLOCK } = constants;

export interface Pipes {
  input: net.Socket;
  output: net.Socket;
  errors: net.Socket;
  /** The program's ends, 0 to 2. */
  ends: [number, number, number];
  /** Once the program has its own copies: they must be the only ones, or the end would never be seen. */
  closeEnds: () => void;
}

/** Real pipes: those that Node makes are sockets, and then no script could open its /dev/stdout or /dev/stderr. */
export function makePipes(): Pipes {
  const directory = mkdtempSync(join(tmpdir(), 'pipes-'));
  try {
    const names = ['in', 'out', 'err'].map((name) => join(directory, name));
    execFileSync('mkfifo', ['-m', '0600', ...names]);
    const [input, output, errors] = names.map((name, index) => openPipe(name, index === 0 ? 'to-program' : 'from-program'));
    if (!input || !output || !errors) throw new Error('unreachable');
    const ends: Pipes['ends'] = [input.theirs, output.theirs, errors.theirs];
    return {
      input: new net.Socket({ fd: input.ours, readable: false, writable: true }),
      output: new net.Socket({ fd: output.ours, readable: true, writable: false }),
      errors: new net.Socket({ fd: errors.ours, readable: true, writable: false }),
      ends,
      closeEnds: () => ends.forEach((end) => closeSync(end)),
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Both ends are held for a moment, so that opening one needs nobody at the other. */
function openPipe(name: string, direction: 'to-program' | 'from-program'): { ours: number; theirs: number } {
  const both = openSync(name, O_RDWR);
  const ours = openSync(name, (direction === 'to-program' ? O_WRONLY : O_RDONLY) | O_NONBLOCK);
  const theirs = openSync(name, direction === 'to-program' ? O_RDONLY : O_WRONLY);
  closeSync(both);
  return { ours, theirs };
}
