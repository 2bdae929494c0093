import type { Socket } from 'node:net';
import type { ClientConnection } from './client-connection.ts';
import type { Exchange } from './exchange.ts';
import { switchingHead } from './http1-writer.ts';
import { writeHeadAndBody } from './socket-write.ts';

/** How long a peer that vanished without a word goes unnoticed. */
const probeMs = 60_000;

/**
 * After 101 Switching Protocols (RFC 9110 7.8): bytes both ways until both ends are through, or nothing came from either for too
 * long. The tunnel belongs to nobody but its two sockets, so that no change of routes ends it.
 */
export function openTunnel(client: ClientConnection, exchange: Exchange, following: Buffer | undefined): void {
  const head = switchingHead(exchange);
  const upstream = exchange.becomeTunnel();
  if (!upstream) return;
  const early = client.becomeTunnel();
  for (const event of ['data', 'end', 'drain']) upstream.socket.removeAllListeners(event);
  const { halfClosedMs } = exchange.edge.limits;
  const idleMs = exchange.target?.tenant.limits.tunnelIdleTimeoutMs ?? halfClosedMs;
  // Every byte of either direction passes this socket, and restarts its clock.
  client.socket.setKeepAlive(true, probeMs).setTimeout(idleMs, () => client.socket.destroy());
  const bytesIn = passOn(client.socket, upstream.socket, halfClosedMs);
  const bytesOut = passOn(upstream.socket, client.socket, halfClosedMs);
  client.socket.once('close', () => exchange.endTunnel(bytesIn() + (early?.length ?? 0), bytesOut() + (following?.length ?? 0)));
  if (!writeHeadAndBody(client.socket, head, following)) upstream.socket.pause();
  const clientFlows = early === undefined || upstream.socket.write(early);
  if (clientFlows) client.socket.resume();
  else client.socket.pause();
  // Its `end` has been emitted already.
  if (client.inputEnded) endDirection(upstream.socket, halfClosedMs);
}

/** Answers how many bytes it passed on so far. */
function passOn(from: Socket, to: Socket, halfClosedMs: number): () => number {
  let passedBytes = 0;
  from.on('data', (bytes: Buffer) => {
    passedBytes += bytes.length;
    if (!to.write(bytes)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => endDirection(to, halfClosedMs));
  from.on('close', (hadError) => {
    // After an orderly end `to` may still have something to send.
    if (hadError || !from.readableEnded) to.destroy();
  });
  return () => passedBytes;
}

/** The other direction may go on, but not hang for ever on a peer that only forgot to close it. */
function endDirection(to: Socket, halfClosedMs: number): void {
  to.end();
  to.setTimeout(halfClosedMs, () => to.destroy());
}
