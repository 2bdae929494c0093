import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { nftProgram } from './egress-table.ts';
import type { Programs } from './programs.ts';

export interface TableWatch {
  close(): void;
}

const restartMs = 1_000;

/**
 * Hears at once when the table is taken away: a firewall that is loaded anew begins with `flush ruleset`, and until the rules are
 * back every link is open. `onGone` is also called when nobody listened for a moment.
 */
export function watchTable(programs: Programs, name: string, onGone: () => void): TableWatch {
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  function listen(): void {
    // It ends with the daemon, however that ends.
    const words = ['--pdeathsig', 'KILL', '--', nftProgram(), 'monitor', 'destroy', 'tables'];
    const listening = spawn(programs.setpriv, words, { stdio: ['ignore', 'pipe', 'ignore'], env: {} });
    child = listening;
    createInterface({ input: listening.stdout }).on('line', (line) => {
      if (line.trim() === `delete table inet ${name}`) onGone();
    });
    listening.once('error', () => {}); // `close` comes, too
    listening.once('close', () => {
      if (!isClosed) timer = setTimeout(listenAgain, restartMs);
    });
  }

  function listenAgain(): void {
    listen();
    onGone();
  }

  listen();
  return {
    close() {
      isClosed = true;
      clearTimeout(timer);
      child?.kill('SIGKILL');
    },
  };
}
