import { connect, type Socket } from 'node:net';

export interface ListeningOptions {
  signal: AbortSignal;
  /** Between two tries at first; each next time is a little longer. */
  intervalMs?: number;
  /** Who listens may send descriptors at once, which end with the connection here: see `StallWatch.own`. */
  own?: (connection: Socket) => void;
}

const firstIntervalMs = 2;
const lastIntervalMs = 50;
const growth = 1.1;

/**
 * Whether something accepts connections on a Unix socket in a directory that only root writes, as soon as it does; false once `signal`
 * fires. A connection is made and closed: nothing is read or written.
 */
export function awaitListening(path: string, { signal, intervalMs = firstIntervalMs, own }: ListeningOptions): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let waitMs = intervalMs;
  let timer: NodeJS.Timeout | undefined;

  function tryOnce(): void {
    const connection = connect({ path });
    own?.(connection);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    // Bound, but nobody listens yet.
    connection.once('error', () => {
      if (signal.aborted) return;
      timer = setTimeout(tryOnce, waitMs);
      waitMs = Math.min(waitMs * growth, lastIntervalMs);
    });
  }

  if (signal.aborted) return Promise.resolve(false);
  signal.addEventListener(
    'abort',
    () => {
      clearTimeout(timer);
      resolve(false);
    },
    { once: true },
  );
  tryOnce();
  return promise;
}
