import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { CallTaker } from './call-handover.ts';
import type { Caller } from './gateways.ts';
import { type Channel, createChannel, type Handler } from '../protocol/channel.ts';

export interface EdgeChildOptions {
  /** The program and its arguments for an edge; its place among the edges is put behind them. */
  command: readonly [string, ...string[]];
  listenerFds: readonly number[];
  /** What the edge tells. */
  handlers: Readonly<Record<string, Handler>>;
}

/** One edge as its master sees it. Entry: main.ts, role `edge`. */
export interface EdgeChild {
  readonly channel: Channel;
  /** Settles, with a readable reason, when it has ended. */
  readonly exited: Promise<string>;
  readonly startedAtMs: number;
  kill: () => void;
  hand: CallTaker['hand'];
}

/** A thousand tenants' routes at once. */
const maxQueuedBytes = 64 << 20;

/** Gives it the listening sockets as the descriptors 3 and up, and after them a socket for its channel, and one for connections. */
export function startEdgeChild(options: EdgeChildOptions, place: number): EdgeChild {
  const { listenerFds, handlers } = options;
  const [program, ...args] = options.command;
  const child = spawn(program, [...args, `${place}`], { stdio: ['ignore', 'inherit', 'inherit', ...listenerFds, 'pipe', 'ipc'] });
  const stream: unknown = child.stdio[3 + listenerFds.length];
  // It could not be started at all; `error` says why.
  const channel = createChannel({
    stream: stream instanceof Duplex ? stream : closedStream(),
    maxQueuedBytes,
    handlers,
  });
  return { channel, exited: exitOf(child), startedAtMs: performance.now(), kill: () => void child.kill('SIGKILL'), hand };

  function hand(caller: Caller, socket: Socket, onHanded: (error: Error | null) => void): void {
    // Ours is closed here: else Node would keep the one that is on its way open when the edge dies, and its caller would wait for ever.
    child.send(caller, socket, { keepOpen: true }, (error) => {
      if (!error) socket.destroy();
      onHanded(error);
    });
  }
}

function exitOf(child: ChildProcess): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  child.once('error', (error) => resolve(error.message));
  child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : signal));
  return promise;
}

function closedStream(): Duplex {
  return new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() }).destroy();
}
