import { Socket } from 'node:net';
import type { TenantName } from '../base/ids.ts';
import { createChannel } from '../protocol/channel.ts';
import type { EdgeNotifications, EdgeRequests } from '../protocol/edge.ts';
import { createEdge, type Edge } from './edge.ts';
import type { LogLevel } from './fault-log.ts';
import { createFaultLog } from './fault-log.ts';

export interface EdgeProcessOptions {
  /** The channel to the master. */
  channelFd: number;
  listenerFds: readonly number[];
  socketsDir: string;
}

export interface EdgeProcess {
  shutdown(timeoutMs: number): Promise<void>;
  /** Asked to end, or left alone by the master: what was open has ended. */
  readonly ended: Promise<void>;
}

/** An edge whose master is gone lets open requests end for so long. */
const orphanGraceMs = 10_000;

/** One edge, told by its master what to do. It accepts from its first whole route table on. */
export function runEdge({ channelFd, listenerFds, socketsDir }: EdgeProcessOptions): EdgeProcess {
  const send = (level: LogLevel, message: string): void => channel.notify('log', { level, message });
  const edge = createEdge({ socketsDir, reportFault: createFaultLog(send, () => performance.now()) });
  const { promise: ended, resolve: settleEnded } = Promise.withResolvers<void>();
  let ending: Promise<void> | undefined;
  let listening = false;

  const shutdown = (timeoutMs: number): Promise<void> => (ending ??= edge.shutdown(timeoutMs));

  async function listenOnce(): Promise<void> {
    if (listening || ending) return;
    listening = true;
    for (const fd of listenerFds) await edge.listen({ fd });
    send('info', 'an edge accepts connections');
  }

  const channel = createChannel({
    stream: new Socket({ fd: channelFd }),
    onFault: (error) => send('error', error.message),
    handlers: {
      ...routeHandlers(edge, listenOnce),
      'drain-upstream': async (params) => {
        const { id, timeoutMs } = params as EdgeRequests['drain-upstream']['params'];
        return { drained: await edge.drainUpstream(id, timeoutMs) };
      },
      shutdown: async (params) => {
        await shutdown((params as EdgeRequests['shutdown']['params']).timeoutMs);
        // After the answer, which is written in this turn.
        setImmediate(settleEnded);
        return null;
      },
    },
  });
  void channel.closed.then(() => shutdown(orphanGraceMs)).then(settleEnded);
  return { ended, shutdown: (timeoutMs) => shutdown(timeoutMs).then(settleEnded) };
}

function routeHandlers({ routes }: Edge, onWhole: () => Promise<void>) {
  return {
    'snapshot-begin': () => routes.beginSnapshot(),
    'snapshot-end': () => {
      routes.endSnapshot();
      return onWhole();
    },
    'set-tenant': (params: unknown) => routes.setTenant(params as EdgeNotifications['set-tenant']),
    'remove-tenant': (params: unknown) => routes.removeTenant((params as { tenant: TenantName }).tenant),
    'set-app': (params: unknown) => routes.setApp(params as EdgeNotifications['set-app']),
  };
}
