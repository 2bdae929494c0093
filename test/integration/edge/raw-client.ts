import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A client that sends what it is told, byte for byte, and keeps what comes back. */
export interface RawClient {
  socket: Socket;
  send: (text: string) => void;
  /** All that came so far (latin1). */
  text: () => string;
  /** Waits until what came fits. */
  seen: (pattern: RegExp) => Promise<string>;
  /** Waits for the connection's end; answers all that came. */
  closed: () => Promise<string>;
}

export async function connectRaw(port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  let text = '';
  let ended = false;
  const { promise: end, resolve: settleEnd } = Promise.withResolvers<void>();
  const waiting = new Set<() => void>();
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
    for (const look of waiting) look();
  });
  // A reset ends it as well; what came before is what counts.
  socket.on('error', () => {});
  for (const event of ['end', 'close']) {
    socket.on(event, () => {
      ended = true;
      settleEnd();
      for (const look of waiting) look();
    });
  }
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return {
    socket,
    send: (sent) => void socket.write(sent, 'latin1'),
    text: () => text,
    seen: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (pattern.test(text)) resolve(text);
          else if (ended) reject(new Error(`closed before ${String(pattern)}: ${text}`));
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      }),
    async closed() {
      await end;
      return text;
    },
  };
}

/** Sends `text` on a connection of its own, and answers all that comes back until the edge closes it. */
export async function exchangeRaw(port: number, text: string): Promise<string> {
  const client = await connectRaw(port);
  client.send(text);
  return client.closed();
}

export const get = (path: string, ...fields: string[]): string =>
  `GET ${path} HTTP/1.1\r\nHost: acme.example\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`;

export const statusesOf = (text: string): number[] => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
