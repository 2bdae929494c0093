import { connect, type Socket } from 'node:net';
import { errnoOf } from '../base/errors.ts';

const maxHeadBytes = 8_192;

/** Whether something accepts connections on a worker's socket. */
export async function isListening(socketPath: string, signal: AbortSignal): Promise<boolean> {
  return ask(socketPath, signal, (socket, answer) => socket.once('connect', () => answer(true)));
}

/** Whether GET of `path` is answered with 2xx or 3xx before `signal` fires. Only the status line is read. */
export async function isHealthy(socketPath: string, path: string, signal: AbortSignal): Promise<boolean> {
  return ask(socketPath, signal, (socket, answer) => {
    let head = '';
    socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: tenantd-health\r\nconnection: close\r\n\r\n`);
    socket.on('data', (chunk: Buffer) => {
      head += chunk.toString('latin1');
      if (head.includes('\r\n') || head.length > maxHeadBytes) answer(isGoodStatus(head));
    });
  });
}

/** `ended`: its event loop turns. `silent`: the kernel takes connections for it, and it does nothing with them. */
export type ConnectionEnd = 'ended' | 'refused' | 'silent';

/** What becomes of a connection that says nothing, and whose end comes at once. */
export function endsConnections(socketPath: string, signal: AbortSignal): Promise<ConnectionEnd> {
  const { promise, resolve } = Promise.withResolvers<ConnectionEnd>();
  if (signal.aborted) return Promise.resolve('silent');
  const socket = connect({ path: socketPath }, () => socket.end());
  const onAbort = (): void => resolve('silent');
  signal.addEventListener('abort', onAbort, { once: true });
  socket.on('error', (error) => resolve(endOf(error)));
  socket.on('close', () => resolve('ended'));
  socket.resume();
  return promise.finally(() => {
    signal.removeEventListener('abort', onAbort);
    socket.destroy();
  });
}

/** EAGAIN: its queue of connections is full (connect(2)). */
function endOf(error: Error): ConnectionEnd {
  const errno = errnoOf(error);
  if (errno === 'EAGAIN') return 'silent';
  return errno === 'ECONNREFUSED' || errno === 'ENOENT' ? 'refused' : 'ended';
}

/** RFC 9112, section 4. */
function isGoodStatus(head: string): boolean {
  return /^HTTP\/1\.[01] [23]\d\d[ \r]/.test(head);
}

function ask(socketPath: string, signal: AbortSignal, start: (socket: Socket, answer: (good: boolean) => void) => void): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  if (signal.aborted) return Promise.resolve(false);
  const socket = connect({ path: socketPath });
  const onAbort = (): void => resolve(false);
  signal.addEventListener('abort', onAbort, { once: true });
  socket.on('error', () => resolve(false));
  socket.on('close', () => resolve(false));
  start(socket, resolve);
  return promise.finally(() => {
    signal.removeEventListener('abort', onAbort);
    socket.destroy();
  });
}
