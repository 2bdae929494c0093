import { createServer, type Socket } from 'node:net';
import { uint16 } from '../dns/message.ts';
import type { Responder } from './responder.ts';
import { splitMessages } from './split-messages.ts';

const maxConnections = 1_024;
const maxConnectionsOfClient = 16;
const idleTimeLimitMs = 10_000;
/** A question has one name and, with EDNS, some options. */
const maxQuestionBytes = 4_096;
const maxUnreadBytes = 256 << 10;

/** Answers questions that come by TCP (RFC 7766). Settles when it listens; rejects when the address can't be had. */
export async function listenTcp(host: string, port: number, responder: Responder): Promise<() => void> {
  const connections = new Map<string, Set<Socket>>();
  const server = createServer((socket) => serve(socket, connections, responder));
  server.maxConnections = maxConnections;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host, port, exclusive: true }, resolve);
  await promise;
  server.off('error', reject);
  // Of single connections, as when descriptors are short: the next one may work.
  server.on('error', () => {});
  return () => {
    server.close();
    for (const sockets of connections.values()) for (const socket of sockets) socket.destroy();
  };
}

/** Refused at once: who is no tenant, and who has too many open. */
function serve(socket: Socket, connections: Map<string, Set<Socket>>, responder: Responder): void {
  const address = socket.remoteAddress ?? '';
  const own = connections.get(address) ?? new Set<Socket>();
  socket.on('error', () => {});
  if (own.size >= maxConnectionsOfClient || !responder.serves(address)) return void socket.destroy();
  connections.set(address, own.add(socket));
  socket.on('close', () => {
    own.delete(socket);
    if (own.size === 0 && connections.get(address) === own) connections.delete(address);
  });
  // Not refreshed by bytes alone: a question has to come whole in that time.
  const timer = setTimeout(() => socket.destroy(), idleTimeLimitMs);
  const split = splitMessages(maxQuestionBytes, (message) => {
    timer.refresh();
    responder.respond(message, address, 'tcp', (answer) => {
      if (socket.writable) socket.write(Buffer.concat([uint16(answer.length), answer]));
      if (socket.writableLength > maxUnreadBytes) socket.destroy();
    });
  });
  socket.on('close', () => clearTimeout(timer));
  socket.on('data', (chunk: Buffer) => {
    if (!split(chunk)) socket.destroy();
  });
}
