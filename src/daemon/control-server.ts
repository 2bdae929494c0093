import net from 'node:net';
import { z } from 'zod';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { listenUnixSocket } from '../privileged/sockets.ts';
import { type Channel, createChannel, type Handler } from '../protocol/channel.ts';
import { controlCalls } from '../protocol/control.ts';

type CallName = keyof typeof controlCalls;

/** Who asks: known by the socket the request came in on. */
export interface Caller {
  /** As the audit trail has it. */
  actor: string;
  /** For what comes after an answer; ends with the connection. */
  channel: Channel;
}

export type ControlOperations = { [Call in CallName]: (params: z.infer<(typeof controlCalls)[Call]>, caller: Caller) => unknown };

/** Listens on the operator's socket, which only root can open. Answers with a function that closes it and all connections. */
export async function startControlServer(options: {
  socket: string;
  operations: ControlOperations;
  log: Log;
}): Promise<() => Promise<void>> {
  const connections = new Set<Channel>();
  const server = net.createServer((stream) => {
    const channel: Channel = createChannel({
      stream,
      handlers: handlersFor(options.operations, () => ({ actor: 'operator', channel })),
      onFault: (error) => options.log.debug({ error: error.message }, 'a control connection failed'),
    });
    connections.add(channel);
    void channel.closed.then(() => connections.delete(channel));
  });
  const close = await listenUnixSocket(server, options.socket, { uid: 0, gid: 0, mode: 0o600 });
  return async () => {
    for (const channel of connections) channel.close();
    await close();
  };
}

function handlersFor(operations: ControlOperations, caller: () => Caller): Record<string, Handler> {
  return Object.fromEntries(
    Object.entries(controlCalls).map(([name, schema]) => [
      name,
      (params: unknown) => {
        const operation = operations[name as CallName] as (params: unknown, caller: Caller) => unknown;
        return operation(parseParams(schema, params), caller());
      },
    ]),
  );
}

function parseParams(schema: z.ZodType, params: unknown): unknown {
  const result = schema.safeParse(params ?? {});
  if (result.success) return result.data;
  throw new TenantdError('TENANTD_E_INVALID_REQUEST', z.prettifyError(result.error), 'use tenantctl of the same version as the daemon');
}

/** How an operation ended, for the audit trail. */
export function outcomeOf(error: unknown): string {
  return error instanceof TenantdError ? `${error.code}: ${error.message}` : messageOf(error);
}
