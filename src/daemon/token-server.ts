import net from 'node:net';
import type { Duplex } from 'node:stream';
import { z } from 'zod';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import { listenForAnybody } from '../privileged/sockets.ts';
import { type Channel, createChannel, type Handler, Upgrade } from '../protocol/channel.ts';
import { controlCalls } from '../protocol/control.ts';
import { authenticate, type AuthenticateResult } from '../protocol/token-calls.ts';
import type { HandlersFor } from './control-server.ts';
import type { Machine } from './machine.ts';
import { createPace, type Pace, paceReading } from './paced-reading.ts';
import type { Who } from './policy.ts';
import { createRate } from './rate.ts';
import type { TokenConnections } from './token-connections.ts';
import type { TokenRow } from './token-rows.ts';
import type { Tokens } from './tokens.ts';

export interface TokenServerParts {
  machine: Pick<Machine, 'programs' | 'stalls'>;
  socket: string;
  tokens: Pick<Tokens, 'authenticate' | 'holds' | 'noteUse'>;
  connections: TokenConnections;
  handlersFor: HandlersFor;
  log: Log;
}

const params = z.strictObject({ token: z.string().max(256) });
const maxFirstFrameBytes = 1_024;
const authenticationMs = 5_000;
/** Of one more, the oldest goes: who has a token is faster than that. */
const maxStrangers = 64;
/** The largest answers are some thousand lines of a log. */
const maxQueuedBytes = 4 << 20;
const maxOpenRequests = 16;
/** All that a tenant's tokens say, the larger calls among it; not what is streamed: archives, sessions. */
const tenantPace = { burstBytes: 2 << 20, bytesPerSecond: 128 << 10, nowMs: Date.now };

/**
 * The socket that anybody on the machine may connect to.
 *
 * Invariants:
 * - Before a connection has shown a token that holds, nothing else is heard from it, and little, and not for long.
 * - With each call it is looked whether the token still holds.
 * - However fast a tenant's people send, the daemon's one thread has time for everybody else.
 */
export async function startTokenServer({
  machine,
  socket,
  tokens,
  connections,
  handlersFor,
  log,
}: TokenServerParts): Promise<() => Promise<void>> {
  const strangers = new Set<net.Socket>();
  const logRate = createRate({ burst: 10, perSecond: 0.1, nowMs: Date.now });
  const paces = new Map<string, Pace>();
  const server = net.createServer(meet);

  function meet(stream: net.Socket): void {
    if (strangers.size >= maxStrangers) [...strangers][0]?.destroy();
    strangers.add(stream);
    machine.stalls.own(stream, 'who connects to the token socket');
    const timer = setTimeout(() => stream.destroy(), authenticationMs);
    const leave = (): void => {
      clearTimeout(timer);
      strangers.delete(stream);
    };
    stream.once('close', leave);
    createChannel({
      stream,
      maxFrameBytes: maxFirstFrameBytes,
      maxOpenRequests: 1,
      handlers: firstHandlers((given) => {
        const token = admit(given, stream);
        const result: AuthenticateResult = { id: token.id, tenant: token.tenant, role: token.role };
        return new Upgrade(result, (released) => {
          leave();
          serve(token, released);
        });
      }, onRefusal),
    });
    /** After the answer. One try a connection: what came behind it is heard no more. */
    function onRefusal(): void {
      setImmediate(() => stream.destroy());
    }
  }

  function admit(given: unknown, stream: Duplex): TokenRow {
    try {
      const token = tokens.authenticate(params.parse(given).token);
      connections.add(token, stream);
      tokens.noteUse(token.id);
      return token;
    } catch (error) {
      if (logRate.take()) log.warn({ error: messageOf(error) }, 'who came with a token was refused');
      throw error;
    }
  }

  function serve(token: TokenRow, stream: Duplex): void {
    const who = whoOf(token);
    const actor = `token ${token.id} (${token.tenant === '' ? token.role : `${token.role} of ${token.tenant}`})`;
    const stopPacing = token.tenant === '' ? undefined : paceReading(stream, paceOf(token.tenant));
    const channel: Channel = createChannel({
      stream,
      maxQueuedBytes,
      maxOpenRequests,
      handlers: handlersFor(() => {
        if (tokens.holds(token.id)) return { actor, who, channel };
        stream.destroy();
        throw new TenantdError('TENANTD_E_BAD_TOKEN', `the token ${token.id} does not hold any more`, 'ask for a new one');
      }),
      onFault: (error) => log.debug({ actor, error: error.message }, 'a connection of a token failed'),
    });
    void channel.closed.then(stopPacing);
    stream.resume();
  }

  function paceOf(tenant: TenantName): Pace {
    const pace = paces.get(tenant) ?? createPace(tenantPace);
    paces.set(tenant, pace);
    return pace;
  }

  const { close, refuses } = await listenForAnybody(server, socket, machine.programs);
  if (!refuses) log.warn({ socket }, 'this kernel can not keep users of this machine from holding up the daemon here: Linux 6.16 can');
  return async () => {
    for (const stream of strangers) stream.destroy();
    connections.close();
    await close();
  };
}

/** The first call decides. Whatever else is asked for is answered with what to do, also by name: an older tenantctl would not know why. */
function firstHandlers(hear: (given: unknown) => Upgrade, onRefusal: () => void): Record<string, Handler> {
  let isFirst = true;
  const first = (work: Handler): Handler => {
    return (given) => {
      try {
        if (!isFirst) throw comesFirst();
        isFirst = false;
        return work(given);
      } catch (error) {
        onRefusal();
        throw error;
      }
    };
  };
  const refuse = first(() => {
    throw comesFirst();
  });
  return { ...Object.fromEntries(Object.keys(controlCalls).map((name) => [name, refuse])), [authenticate]: first(hear) };
}

function comesFirst(): TenantdError {
  return new TenantdError('TENANTD_E_DENIED', 'a token comes first, and alone', 'use tenantctl of the same version as the daemon');
}

function whoOf({ id, tenant, role }: TokenRow): Who {
  if (role === 'operator') return { role, token: id };
  return { role, tenant: tenant as TenantName, token: id };
}
