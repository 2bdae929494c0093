import { type IPty, spawn } from '@lydell/node-pty';

/** A program in a terminal of its own, as a person has it: types, sees, drags the window. */
export interface ClientTerminal {
  readonly pid: number;
  /** All that was printed. */
  screen: () => string;
  type: (text: string) => void;
  resize: (columns: number, rows: number) => void;
  kill: (signal: string) => void;
  /** Resolves with what was printed since the last `untilSeen`, when `pattern` is in it; rejects when the program ends without. */
  untilSeen: (pattern: RegExp) => Promise<string>;
  exited: Promise<{ exitCode: number; signal?: number | undefined }>;
  [Symbol.dispose](): void;
}

export interface ClientTerminalOptions {
  columns?: number;
  rows?: number;
  term?: string;
  env?: Record<string, string>;
}

export function openClientTerminal(program: string, args: string[], options: ClientTerminalOptions = {}): ClientTerminal {
  const { columns = 80, rows = 24, term = 'xterm-256color', env = {} } = options;
  const pty: IPty = spawn(program, args, { name: term, cols: columns, rows, env: { PATH: process.env['PATH'] ?? '', ...env } });
  const { promise: exited, resolve } = Promise.withResolvers<{ exitCode: number; signal?: number | undefined }>();
  const looks = new Set<() => void>();
  let screen = '';
  let seen = 0;
  let ended = false;
  const lookAgain = (): void => {
    for (const look of looks) look();
  };
  pty.onData((text) => {
    screen += text;
    lookAgain();
  });
  pty.onExit((exit) => {
    ended = true;
    resolve(exit);
    lookAgain();
  });

  function untilSeen(pattern: RegExp): Promise<string> {
    const { promise, resolve: settle, reject } = Promise.withResolvers<string>();
    const look = (): void => {
      const news = screen.slice(seen);
      const match = pattern.exec(news);
      if (match) {
        seen += match.index + match[0].length;
        settle(news);
      } else if (ended) reject(new Error(`it ended without ${pattern}: ${JSON.stringify(news)}`));
    };
    looks.add(look);
    look();
    return promise.finally(() => looks.delete(look));
  }

  return {
    pid: pty.pid,
    screen: () => screen,
    type: (text) => pty.write(text),
    resize: (newColumns, newRows) => pty.resize(newColumns, newRows),
    kill: (signal) => pty.kill(signal),
    untilSeen,
    exited,
    [Symbol.dispose]() {
      if (!ended) pty.kill('SIGKILL');
    },
  };
}
