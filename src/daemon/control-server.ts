import net from 'node:net';
import { z } from 'zod';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { listenUnixSocket } from '../privileged/sockets.ts';
import { type Channel, createChannel, type Handler } from '../protocol/channel.ts';
import { controlCalls } from '../protocol/control.ts';
import { type CallName, decide, type Who } from './policy.ts';

/** Who asks: known by the socket the request came in on, and by the token that it was opened with. */
export interface Caller {
  /** As the audit trail has it. */
  actor: string;
  who: Who;
  /** For what comes after an answer; ends with the connection. */
  channel: Channel;
}

export type ControlOperations = { [Call in CallName]: (params: z.infer<(typeof controlCalls)[Call]>, caller: Caller) => unknown };

/** What stands between a call and its operation, besides the policy. */
export interface Gate {
  /** Throws when there are too many; answers with what to call at the end. */
  enter(who: Who, call: CallName): () => void;
  onDenied(caller: Caller, call: CallName, error: TenantdError): void;
  propose: (call: CallName, params: unknown, caller: Caller) => unknown;
}

/** The handlers of a connection; `caller` throws when it may ask nothing any more. */
export type HandlersFor = (caller: () => Caller) => Record<string, Handler>;

/** Every call of everybody comes through here: by its schema and the policy to its operation. */
export function createDispatch(operations: ControlOperations, gate: Gate): HandlersFor {
  async function answer(call: CallName, given: unknown, caller: Caller): Promise<unknown> {
    const leave = gate.enter(caller.who, call);
    try {
      const decision = decide(caller.who, call, parseParams(controlCalls[call], given));
      if (decision.verdict === 'no') {
        gate.onDenied(caller, call, decision.error);
        throw decision.error;
      }
      if (decision.verdict === 'propose') return await gate.propose(call, decision.params, caller);
      return await (operations[call] as Operation)(decision.params, caller);
    } finally {
      leave();
    }
  }

  const names = Object.keys(controlCalls) as CallName[];
  return (caller) => Object.fromEntries(names.map((name) => [name, (params: unknown) => answer(name, params, caller())]));
}

export type Operation = (params: unknown, caller: Caller) => unknown;

/** Listens on the operator's socket, which only root can open. Answers with a function that closes it and all connections. */
export async function startControlServer(options: { socket: string; handlersFor: HandlersFor; log: Log }): Promise<() => Promise<void>> {
  const connections = new Set<Channel>();
  const server = net.createServer((stream) => {
    const channel: Channel = createChannel({
      stream,
      handlers: options.handlersFor(() => ({ actor: 'operator', who: { role: 'operator' }, channel })),
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

function parseParams(schema: z.ZodType, params: unknown): unknown {
  const result = schema.safeParse(params ?? {});
  if (result.success) return result.data;
  throw new TenantdError('TENANTD_E_INVALID_REQUEST', z.prettifyError(result.error), 'use tenantctl of the same version as the daemon');
}

/** How an operation ended, for the audit trail. */
export function outcomeOf(error: unknown): string {
  return error instanceof TenantdError ? `${error.code}: ${error.message}` : messageOf(error);
}
