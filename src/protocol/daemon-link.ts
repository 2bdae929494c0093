import { connect } from 'node:net';
import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { TenantdError } from '../base/errors.ts';
import { version } from '../base/version.ts';
import { type Channel, type ChannelOptions, createChannel } from './channel.ts';

export interface DaemonLinkOptions extends Omit<ChannelOptions, 'stream'> {
  controlSocket: string;
  onLost: () => void;
}

/** The daemon may be away for a while, to be upgraded say: connecting is tried for ever, soon at first. */
const retryPolicy: BackoffPolicy = { firstMs: 20, maxMs: 1_000, healthyMs: 0 };

/** A service's connection to the daemon, made again whenever it is lost. */
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

  get isConnected(): boolean {
    return this.channel !== undefined;
  }

  /** False when the daemon is not there. */
  notify(method: string, params: unknown): boolean {
    this.channel?.notify(method, params);
    return this.channel !== undefined;
  }

  async request(method: string, params: unknown): Promise<unknown> {
    if (!this.channel) throw new TenantdError('TENANTD_E_UNREACHABLE', 'the daemon is away', 'it is tried again when it is back');
    return this.channel.request(method, params);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.channel?.close();
  }

  private open(): void {
    const { controlSocket, onLost, ...channelOptions } = this.options;
    const socket = connect(controlSocket);
    socket.once('connect', () => {
      this.failures = 0;
      const channel = createChannel({ ...channelOptions, stream: socket });
      this.channel = channel;
      channel.notify('hello', { version });
      void channel.closed.then(() => {
        this.channel = undefined;
        onLost();
        this.retry();
      });
    });
    // Refused, or no such file: the daemon is not there yet.
    socket.once('error', () => {
      if (!this.channel) this.retry();
    });
  }

  private retry(): void {
    if (this.closed) return;
    this.failures += 1;
    this.timer = setTimeout(() => this.open(), backoffDelayMs(retryPolicy, this.failures));
  }
}
