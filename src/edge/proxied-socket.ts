import type { Socket } from 'node:net';
import type { ProxiedConnection } from './proxied-connection.ts';
import { readProxyHeader } from './proxy-protocol.ts';

/**
 * Reads the PROXY header that a connection must begin with, and leaves what follows it in the socket. A connection without a valid
 * one is closed: to take its bytes for a request would let anybody who gets at the proxy's port choose an address.
 */
export function readProxiedSocket(
  socket: Socket,
  timeLimitMs: number,
  onRead: (connection: ProxiedConnection) => void,
  onFault: (fault: string) => void,
): void {
  let received: Buffer | undefined;
  const timer = setTimeout(() => socket.destroy(), timeLimitMs);
  const ignoreError = (): void => {};

  /** Never by `data`: a socket that flows would lose what TLS, which takes it over in the next turn, has to read. */
  function receive(): void {
    const bytes = socket.read() as Buffer | null;
    if (!bytes) return;
    received = received ? Buffer.concat([received, bytes]) : bytes;
    const read = readProxyHeader(received);
    if ('fault' in read) {
      onFault(read.fault);
      socket.destroy();
    } else if (read.done) handOver(received.subarray(read.headerBytes), read.connection);
  }

  function handOver(rest: Buffer, connection: ProxiedConnection): void {
    clearTimeout(timer);
    socket.off('readable', receive).off('end', end).off('error', ignoreError).off('close', stop);
    if (rest.length > 0) socket.unshift(rest);
    onRead(connection);
  }

  function end(): void {
    socket.destroy();
  }

  function stop(): void {
    clearTimeout(timer);
  }

  // `close` follows an error.
  socket.on('readable', receive).on('end', end).on('error', ignoreError).on('close', stop);
}
