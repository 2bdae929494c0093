import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, messageOf, TenantdError } from '../base/errors.ts';
import { type Channel, createChannel, type Handler } from '../protocol/channel.ts';
import { connectUnixSocket } from '../protocol/connect-unix-socket.ts';
import { operatorSocket } from '../protocol/control.ts';
import { authenticate, tokenSocket } from '../protocol/token-calls.ts';
import type { Surroundings } from './program.ts';
import { findRunDir } from './run-dir.ts';
import { howToBeKnown } from './token-source.ts';

/** A status of some thousand tenants is one frame. */
const maxFrameBytes = 64 << 20;
const busyTries = 50;
const busyPauseMs = 100;

type Caller = Pick<Surroundings, 'isRoot' | 'findToken'>;

/** One question and its answer. */
export async function callDaemon(caller: Caller, configFile: string, method: string, params: object, timeoutMs = 30_000): Promise<unknown> {
  const channel = await connectDaemon(caller, configFile, {});
  try {
    return await channel.request(method, params, timeoutMs);
  } finally {
    channel.close();
  }
}

/** Throws TENANTD_E_UNREACHABLE. A token that was given decides who asks, for root too. */
export async function connectDaemon(caller: Caller, configFile: string, handlers: Record<string, Handler>): Promise<Channel> {
  const token = await caller.findToken?.();
  const path = join(await findRunDir(caller, configFile, token !== undefined), token === undefined ? operatorSocket : tokenSocket);
  const stream = await connectInTurn(path).catch((error: unknown) => {
    throw unreachable(caller, configFile, path, error);
  });
  if (token === undefined) return createChannel({ stream, handlers, maxFrameBytes });
  const admitted = await showToken(stream, token);
  const channel = createChannel({ stream: admitted, handlers, maxFrameBytes });
  admitted.resume();
  return channel;
}

/** Where many connect at once, the queue of the socket may be full (connect(2)). */
async function connectInTurn(path: string): Promise<Socket> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await connectUnixSocket(path);
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN' || tries >= busyTries) throw error;
      await delay(busyPauseMs);
    }
  }
}

async function showToken(stream: Duplex, token: string): Promise<Duplex> {
  const channel = createChannel({ stream, handlers: {} });
  try {
    return (await channel.upgrade(authenticate, { token })).stream;
  } catch (error) {
    channel.close();
    throw error;
  }
}

export function unreachable({ isRoot }: Caller, configFile: string, path: string, cause: unknown): TenantdError {
  const errno = errnoOf(cause);
  const make = (message: string, fix: string) => new TenantdError('TENANTD_E_UNREACHABLE', message, fix, { cause });
  if ((errno === 'EACCES' || errno === 'EPERM') && !isRoot)
    return make("only root may use the daemon's socket without a token", howToBeKnown);
  if (errno === 'ENOENT' || errno === 'ECONNREFUSED') {
    return make(`no daemon answers at ${path}`, `start the daemon, or name the configuration it runs with by --config (now ${configFile})`);
  }
  return make(`the daemon can not be reached at ${path}: ${messageOf(cause)}`, 'look whether the daemon runs, and into its log');
}
