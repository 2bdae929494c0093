import type { Socket } from 'node:net';
import type { EdgeContext } from './context.ts';
import type { Deadline } from './deadlines.ts';
import type { ProxiedConnection } from './proxied-connection.ts';
import { readProxyHeader } from './proxy-protocol.ts';

export interface ProxyHeaderReaderOptions {
  edge: Pick<EdgeContext, 'deadlines' | 'limits' | 'reportFault'>;
  socket: Socket;
  /** The socket is handed over: without a listener of the reader's, what followed the header unread. */
  onRead: (connection: ProxiedConnection) => void;
  /** It is closed, with no header read. */
  onClose: () => void;
}

/**
 * A connection of a trusted proxy until its PROXY header is whole.
 *
 * Invariants:
 * - It ends exactly once: by handing the socket over, or by its closing.
 * - It keeps less than the longest header and one read.
 */
export class ProxyHeaderReader implements Deadline {
  deadlineAtMs: number;
  private readonly options: ProxyHeaderReaderOptions;
  private received: Buffer = Buffer.alloc(0);

  constructor(options: ProxyHeaderReaderOptions) {
    const { edge, socket } = options;
    this.options = options;
    this.deadlineAtMs = edge.deadlines.nowMs + edge.limits.headMs;
    edge.deadlines.watch(this);
    socket.on('readable', this.read).on('end', this.onEnd).on('error', ignore).on('close', this.onClose);
  }

  onDeadline(): void {
    this.refuse('it did not come in time');
  }

  /** Not by `data`: who gets the socket must find it as new. */
  private readonly read = (): void => {
    const { socket } = this.options;
    const bytes = socket.read() as Buffer | null;
    if (!bytes) return;
    this.received = this.received.length === 0 ? bytes : Buffer.concat([this.received, bytes]);
    const read = readProxyHeader(this.received);
    if ('fault' in read) this.refuse(read.fault);
    else if (read.done) this.handOver(read.connection, this.received.subarray(read.headerBytes));
  };

  private readonly onEnd = (): void => {
    // A proxy may look whether the port is open: no fault.
    if (this.received.length === 0) this.options.socket.destroy();
    else this.refuse('it was cut short');
  };

  private readonly onClose = (): void => {
    this.options.edge.deadlines.forget(this);
    this.options.onClose();
  };

  private refuse(reason: string): void {
    const { edge, socket } = this.options;
    edge.reportFault('warn', `the trusted proxy ${socket.remoteAddress ?? ''} must begin with a PROXY header: ${reason}`);
    socket.destroy();
  }

  private handOver(connection: ProxiedConnection, rest: Buffer): void {
    const { edge, socket, onRead } = this.options;
    edge.deadlines.forget(this);
    socket.off('readable', this.read).off('end', this.onEnd).off('error', ignore).off('close', this.onClose);
    if (rest.length > 0) socket.unshift(rest);
    onRead(connection);
  }
}

/** `close` follows. */
function ignore(): void {}
