import type { Socket } from 'node:net';
import type { ClientConnection } from './client-connection.ts';
import type { Exchange } from './exchange.ts';
import { switchingHead } from './http1-writer.ts';
import { writeHeadAndBody } from './socket-write.ts';

/** How long a peer that vanished without a word goes unnoticed. */
const probeMs = 60_000;

/**
 * After 101 Switching Protocols (RFC 9110 7.8): bytes both ways until both ends are through. The tunnel belongs to nobody but its
 * two sockets, so that no change of routes ends it.
 */
export function openTunnel(client: ClientConnection, exchange: Exchange, following: Buffer | undefined): void {
  const head = switchingHead(exchange);
  const upstream = exchange.becomeTunnel();
  if (!upstream) return;
  const early = client.becomeTunnel();
  for (const event of ['data', 'end', 'drain']) upstream.socket.removeAllListeners(event);
  client.socket.setKeepAlive(true, probeMs);
  const { halfClosedMs } = exchange.edge.limits;
  passOn(client.socket, upstream.socket, halfClosedMs);
  passOn(upstream.socket, client.socket, halfClosedMs);
  if (!writeHeadAndBody(client.socket, head, following)) upstream.socket.pause();
  const clientFlows = early === undefined || upstream.socket.write(early);
  if (clientFlows) client.socket.resume();
  else client.socket.pause();
  // Its `end` has been emitted already.
  if (client.inputEnded) endDirection(upstream.socket, halfClosedMs);
}

function passOn(from: Socket, to: Socket, halfClosedMs: number): void {
  from.on('data', (bytes: Buffer) => {
    if (!to.write(bytes)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => endDirection(to, halfClosedMs));
  from.on('close', (hadError) => {
    // After an orderly end `to` may still have something to send.
    if (hadError || !from.readableEnded) to.destroy();
  });
}

/** The other direction may go on, but not hang for ever on a peer that only forgot to close it. */
function endDirection(to: Socket, halfClosedMs: number): void {
  to.end();
  to.setTimeout(halfClosedMs, () => to.destroy());
}
