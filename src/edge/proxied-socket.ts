import type { Socket } from 'node:net';
import type { ProxiedConnection } from './proxied-connection.ts';
import { readProxyHeader } from './proxy-protocol.ts';

/**
 * Reads the PROXY header that a connection must begin with, and leaves what follows it in the socket. A connection without a valid
 * one is closed: to take its bytes for a request would let anybody who gets at the proxy's port choose an address.
 */
export function readProxiedSocket(socket: Socket, timeLimitMs: number, onRead: (connection: ProxiedConnection) => void): void {
  let received: Buffer | undefined;
  const timer = setTimeout(() => socket.destroy(), timeLimitMs);
  const ignoreError = (): void => {};

  function receive(bytes: Buffer): void {
    received = received ? Buffer.concat([received, bytes]) : bytes;
    const read = readProxyHeader(received);
    if ('fault' in read) socket.destroy();
    else if (read.done) handOver(received.subarray(read.headerBytes), read.connection);
  }

  function handOver(rest: Buffer, connection: ProxiedConnection): void {
    clearTimeout(timer);
    socket.off('data', receive).off('end', end).off('error', ignoreError).off('close', stop).pause();
    if (rest.length > 0) socket.unshift(rest);
    onRead(connection);
    socket.resume();
  }

  function end(): void {
    socket.destroy();
  }

  function stop(): void {
    clearTimeout(timer);
  }

  // `close` follows an error.
  socket.on('data', receive).on('end', end).on('error', ignoreError).on('close', stop);
}
