import type { Socket } from 'node:net';
import { WriteBatch } from './write-batch.ts';

/** Below this, turning bytes into text costs less than a second buffer in the system call. */
const joinBytes = 4_096;
const batch = new WriteBatch();

/** Writes a head (latin1) and what follows it with one system call. False when the socket wants its `drain` waited for. */
export function writeHeadAndBody(socket: Socket, head: string, body: Buffer | undefined): boolean {
  batch.join(socket);
  if (body === undefined || body.length === 0) return socket.write(head, 'latin1');
  if (body.length <= joinBytes) return socket.write(head + body.toString('latin1'), 'latin1');
  socket.write(head, 'latin1');
  return socket.write(body);
}
