import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type BackoffPolicy, backoffDelayMs } from '../base/backoff.ts';
import { messageOf, TenantdError } from '../base/errors.ts';
import { type Channel, createChannel, type Handler } from '../protocol/channel.ts';
import type { hostEvents } from '../protocol/host.ts';

type Events = { [Name in keyof typeof hostEvents]: (typeof hostEvents)[Name]['_output'] };

/** The daemon as a host sees it: it may go away at any time, and comes back. */
export interface Daemon {
  isConnected(): boolean;
  request(method: string, params: unknown): Promise<unknown>;
  /** Lost while there is no connection: what must not be is told again after the next `configure`. */
  tell<Name extends keyof Events>(event: Name, params: Events[Name]): void;
  /** What waits to be read by the daemon. */
  queuedBytes(): number;
  /** Connects, and connects again whenever the connection ends. */
  connectForever(handlers: Readonly<Record<string, Handler>>, onConnected: () => void, onClosed: () => void): Promise<never>;
}

const retry: BackoffPolicy = { firstMs: 20, maxMs: 1_000, healthyMs: 1_000 };

export function createDaemon(socketPath: string): Daemon {
  let current: { channel: Channel; socket: Socket } | undefined;

  function tell<Name extends keyof Events>(event: Name, params: Events[Name]): void {
    current?.channel.notify(event, params);
  }

  async function serve(socket: Socket, handlers: Readonly<Record<string, Handler>>, onConnected: () => void): Promise<void> {
    const onFault = (error: Error): void => tell('log', { level: 'error', message: messageOf(error).slice(0, 4_096) });
    const channel = createChannel({ stream: socket, handlers, onFault });
    current = { channel, socket };
    onConnected();
    await channel.closed;
    current = undefined;
  }

  return {
    isConnected: () => current !== undefined,
    request: (method, params) => (current ? current.channel.request(method, params) : Promise.reject(unreachable())),
    tell,
    queuedBytes: () => current?.socket.writableLength ?? 0,
    async connectForever(handlers, onConnected, onClosed) {
      for (let failures = 1; ; failures += 1) {
        const socket = await tryConnect(socketPath);
        if (socket) {
          const connectedAtMs = performance.now();
          await serve(socket, handlers, onConnected);
          onClosed();
          if (performance.now() - connectedAtMs >= retry.healthyMs) failures = 1;
        }
        await delay(backoffDelayMs(retry, failures));
      }
    },
  };
}

function tryConnect(path: string): Promise<Socket | undefined> {
  const { promise, resolve } = Promise.withResolvers<Socket | undefined>();
  const socket = connect({ path });
  socket.once('connect', () => resolve(socket));
  socket.once('error', () => resolve(undefined)); // The daemon is not there yet; there is nothing to do but to try again.
  return promise;
}

function unreachable(): TenantdError {
  return new TenantdError('TENANTD_E_UNREACHABLE', 'the daemon is away', 'try again');
}
