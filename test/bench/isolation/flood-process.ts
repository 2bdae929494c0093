// Bad clients, with JSON of Flood in argv[2]. Prints how often it met which outcome. It takes what time of the processors is left over:
// what it costs to make a flood is not what is measured.
import net from 'node:net';
import { setNice } from './weights.ts';

export interface Flood {
  kind: 'connections' | 'requests' | 'slow-readers' | 'slow-heads';
  port: number;
  host: string;
  seconds: number;
  connections: number;
}

const floodNice = 19;
const { kind, port, host, seconds, connections } = JSON.parse(process.argv[2] ?? '') as Flood;
const endMs = performance.now() + seconds * 1_000;
const outcomes: Record<string, number> = {};

/** One connection after another, until the time is over. */
async function keepAtIt(): Promise<void> {
  while (performance.now() < endMs) count(await floods[kind]());
}

function count(outcome: string): void {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
}

/** Resolves with how a connection ended, or 'held' at the end of the time. */
function connect(use: (socket: net.Socket, say: (outcome: string) => void) => void): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = net.connect(port, '127.0.0.1');
  const timer = setTimeout(() => end('held'), Math.max(0, endMs - performance.now()));
  socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  socket.on('close', () => end('closed'));
  socket.on('connect', () => use(socket, end));
  return promise;

  function end(outcome: string): void {
    clearTimeout(timer);
    socket.destroy();
    resolve(outcome);
  }
}

function post(socket: net.Socket, probe: object): void {
  const body = JSON.stringify(probe);
  socket.write(`POST /site HTTP/1.1\r\nhost: ${host}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
}

const statusOf = (chunk: Buffer): string => chunk.toString('latin1', 9, 12);

const floods = {
  /** Opened, asked once, closed, and again. */
  connections: () =>
    connect((socket, end) => {
      post(socket, { probe: 'alive' });
      socket.once('data', (chunk: Buffer) => end(statusOf(chunk)));
    }),
  /** As many requests over one connection as it takes. */
  requests: () =>
    connect((socket) => {
      post(socket, { probe: 'alive' });
      socket.on('data', (chunk: Buffer) => {
        count(statusOf(chunk));
        if (performance.now() < endMs) post(socket, { probe: 'alive' });
      });
    }),
  /** Large answers that are hardly read. */
  'slow-readers': () =>
    connect((socket) => {
      post(socket, { probe: 'large', input: { mebibytes: 4 } });
      socket.once('data', (chunk: Buffer) => {
        count(statusOf(chunk));
        socket.pause();
      });
    }),
  /** Heads that never end. */
  'slow-heads': () => connect((socket) => void socket.write(`GET /site HTTP/1.1\r\nhost: ${host}\r\nx: `)),
} satisfies Record<Flood['kind'], () => Promise<string>>;

setNice(0, floodNice);
await Promise.all(Array.from({ length: connections }, keepAtIt));
process.stdout.write(JSON.stringify(outcomes));
process.exit(0);
