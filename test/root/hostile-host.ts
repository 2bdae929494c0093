import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createLineSplitter } from '../../src/protocol/lines.ts';
import type { TestDaemon } from '../support/test-daemon.ts';

interface Answer {
  id?: number;
  method?: string;
  result?: unknown;
  error?: { data?: { code?: string } };
}

/** A tenant's host as somebody else wrote it: it says what it likes on the socket that proves the tenant. */
export interface HostileHost {
  socket: Socket;
  /** What the daemon asked or said, by method. */
  heard: string[];
  say(method: string, params: unknown): void;
  /** The answer's result, or the error's code. */
  ask(method: string, params: unknown): Promise<unknown>;
  /** Bytes as they are; waits until the socket took them, or is closed. */
  send: (bytes: string | Buffer) => Promise<void>;
  /** The daemon closed the connection. */
  closed: Promise<void>;
  leave(): void;
}

/** Takes the place of the tenant's own host, which must be stopped: each new connection ends the one before. */
export async function connectAsHost(daemon: TestDaemon, tenant: string, { reads = true } = {}): Promise<HostileHost> {
  const socket = connect(`${daemon.directory}/run/hosts/${tenant}/control.sock`);
  await once(socket, 'connect');
  const heard: string[] = [];
  const waiting = new Map<number, (answer: Answer) => void>();
  let nextId = 1;
  const split = createLineSplitter(64 << 20, (line) => {
    const message = JSON.parse(line.toString('utf8')) as Answer;
    if (message.method !== undefined) heard.push(message.method);
    else waiting.get(message.id ?? 0)?.(message);
  });
  if (reads) socket.on('data', split);
  // That the daemon cuts it off is what some of its attacks end with.
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));

  function send(bytes: string | Buffer): Promise<void> {
    const taken = new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
    return Promise.race([taken, closed]);
  }

  return {
    ...{ socket, heard, send, closed },
    say: (method, params) => void socket.write(frame({ method, params })),
    ask(method, params) {
      const id = nextId++;
      const { promise, resolve } = Promise.withResolvers<unknown>();
      waiting.set(id, ({ result, error }) => resolve(error ? error.data?.code : result));
      socket.write(frame({ id, method, params }));
      return promise;
    },
    leave: () => socket.destroy(),
  };
}

export function frame(message: object): string {
  return `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`;
}
