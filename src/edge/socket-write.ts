import type { Socket } from 'node:net';

/** Below this, turning bytes into text costs less than a second buffer in the system call. */
const joinBytes = 4_096;

/** Writes a head (latin1) and what follows it with one system call. False when the socket wants its `drain` waited for. */
export function writeHeadAndBody(socket: Socket, head: string, body: Buffer | undefined): boolean {
  if (body === undefined || body.length === 0) return socket.write(head, 'latin1');
  if (body.length <= joinBytes) return socket.write(head + body.toString('latin1'), 'latin1');
  socket.cork();
  socket.write(head, 'latin1');
  const flowing = socket.write(body);
  socket.uncork();
  return flowing;
}
