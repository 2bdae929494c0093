import type { Socket } from 'node:net';
import type { ClientConnection } from './client-connection.ts';
import type { Exchange } from './exchange.ts';
import { switchingHead } from './http1-writer.ts';
import { writeHeadAndBody } from './socket-write.ts';
import type { UpstreamConnection, UpstreamUser } from './upstream-connection.ts';

/** How long a peer that vanished without a word goes unnoticed. */
const probeMs = 60_000;

/** After 101 Switching Protocols (RFC 9110 7.8); `following` is what the app sent behind it. */
export function openTunnel(client: ClientConnection, exchange: Exchange, following: Buffer | undefined): void {
  const head = switchingHead(exchange);
  const tunnel = new Tunnel(client, exchange);
  const upstream = exchange.becomeTunnel(tunnel);
  if (upstream) tunnel.begin(upstream, head, following);
}

/**
 * Bytes both ways until both ends are through, or nothing came from either for too long. It belongs to nobody but its two sockets,
 * so that no change of routes ends it.
 */
class Tunnel implements UpstreamUser {
  private readonly client: Socket;
  private readonly connection: ClientConnection;
  private readonly exchange: Exchange;
  private upstream: Socket | undefined = undefined;

  constructor(connection: ClientConnection, exchange: Exchange) {
    this.connection = connection;
    this.client = connection.socket;
    this.exchange = exchange;
  }

  begin({ socket }: UpstreamConnection, head: string, following: Buffer | undefined): void {
    this.upstream = socket;
    const early = this.connection.becomeTunnel();
    this.listen(socket);
    if (following) this.exchange.countOut(following.length);
    if (!writeHeadAndBody(this.client, head, following)) socket.pause();
    if (early) this.passUp(early, socket);
    if (!socket.writableNeedDrain) this.client.resume();
    // Its `end` has been emitted already.
    if (this.connection.inputEnded) this.endDirection(socket);
  }

  onUpstreamData(bytes: Buffer): void {
    this.exchange.countOut(bytes.length);
    if (!this.client.write(bytes)) this.upstream?.pause();
  }

  onUpstreamEnd(): void {
    this.endDirection(this.client);
  }

  /** After an orderly end the client may still have something to send; but nobody is there to take it. */
  onUpstreamGone(error: Error | undefined): void {
    if (error || !this.upstream?.readableEnded) this.client.destroy();
  }

  onUpstreamDrain(): void {
    this.client.resume();
  }

  private listen(upstream: Socket): void {
    const { client, exchange } = this;
    const idleMs = exchange.target?.tenant.limits.tunnelIdleTimeoutMs ?? exchange.edge.limits.halfClosedMs;
    // Every byte of either direction passes this socket, and restarts its clock.
    client.setKeepAlive(true, probeMs).setTimeout(idleMs, () => client.destroy());
    client
      .on('data', (bytes: Buffer) => this.passUp(bytes, upstream))
      .on('drain', () => upstream.resume())
      .on('end', () => this.endDirection(upstream))
      .on('close', (hadError) => {
        // After an orderly end the app may still have something to send.
        if (hadError || !client.readableEnded) upstream.destroy();
        exchange.endTunnel();
      });
  }

  private passUp(bytes: Buffer, upstream: Socket): void {
    this.exchange.countIn(bytes.length);
    if (!upstream.write(bytes)) this.client.pause();
  }

  /** The other direction may go on, but not hang for ever on a peer that only forgot to close it. */
  private endDirection(to: Socket): void {
    to.end();
    to.setTimeout(this.exchange.edge.limits.halfClosedMs, () => to.destroy());
  }
}
