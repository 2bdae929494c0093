import { connect } from 'node:net';
import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { version } from '../base/version.ts';
import { type Channel, createChannel, type Handler } from '../protocol/channel.ts';

export interface DaemonLinkOptions {
  controlSocket: string;
  handlers: Readonly<Record<string, Handler>>;
  onLost: () => void;
}

/** The daemon may be away for a while, to be upgraded say: connecting is tried for ever, soon at first. */
const retryPolicy: BackoffPolicy = { firstMs: 20, maxMs: 1_000, healthyMs: 0 };
/** What edges say of a thousand certificates at once. */
const maxQueuedBytes = 16 << 20;
/** The largest tenant that its files can describe: 64 apps with 64 routes and 64 workers each. */
export const maxRouteFrameBytes = 16 << 20;

/** The master's connection to the daemon, made again whenever it is lost. */
export class DaemonLink {
  private readonly options: DaemonLinkOptions;
  private channel: Channel | undefined = undefined;
  private failures = 0;
  private timer: NodeJS.Timeout | undefined = undefined;
  private closed = false;

  constructor(options: DaemonLinkOptions) {
    this.options = options;
    this.open();
  }

  /** False when the daemon is not there. */
  notify(method: string, params: unknown): boolean {
    this.channel?.notify(method, params);
    return this.channel !== undefined;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.channel?.close();
  }

  private open(): void {
    const socket = connect(this.options.controlSocket);
    socket.once('connect', () => {
      this.failures = 0;
      const channel = createChannel({ stream: socket, handlers: this.options.handlers, maxFrameBytes: maxRouteFrameBytes, maxQueuedBytes });
      this.channel = channel;
      channel.notify('hello', { version });
      void channel.closed.then(() => this.lose());
    });
    // Refused, or no such file: the daemon is not there yet.
    socket.once('error', () => {
      if (!this.channel) this.retry();
    });
  }

  private lose(): void {
    this.channel = undefined;
    this.options.onLost();
    this.retry();
  }

  private retry(): void {
    if (this.closed) return;
    this.failures += 1;
    this.timer = setTimeout(() => this.open(), backoffDelayMs(retryPolicy, this.failures));
  }
}
