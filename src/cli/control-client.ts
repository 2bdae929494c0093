import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { basename, dirname, join } from 'node:path';
import { errnoOf, messageOf, TenantdError } from '../base/errors.ts';
import { type Channel, createChannel, type Handler } from '../protocol/channel.ts';
import { operatorSocket } from '../protocol/control.ts';
import type { Surroundings } from './program.ts';
import { findRunDir } from './run-dir.ts';

/** `sun_path` has 108 bytes, one of them for the end (unix(7)). */
const maxSocketPathBytes = 107;
/** A status of some thousand tenants is one frame. */
const maxFrameBytes = 64 << 20;

type Caller = Pick<Surroundings, 'isRoot'>;

/** One question and its answer. */
export async function callDaemon(caller: Caller, configFile: string, method: string, params: object, timeoutMs = 30_000): Promise<unknown> {
  const channel = await connectDaemon(caller, configFile, {});
  try {
    return await channel.request(method, params, timeoutMs);
  } finally {
    channel.close();
  }
}

/** Throws TENANTD_E_UNREACHABLE. */
export async function connectDaemon(caller: Caller, configFile: string, handlers: Record<string, Handler>): Promise<Channel> {
  const path = join(await findRunDir(caller, configFile), operatorSocket);
  try {
    return createChannel({ stream: await connectUnixSocket(path), handlers, maxFrameBytes });
  } catch (error) {
    throw unreachable(caller, configFile, path, error);
  }
}

/** Over-long paths are shortened through a descriptor of their directory. */
async function connectUnixSocket(path: string): Promise<Socket> {
  if (Buffer.byteLength(path) <= maxSocketPathBytes) return connected(path);
  await using directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  return await connected(`/proc/self/fd/${directory.fd}/${basename(path)}`);
}

async function connected(path: string): Promise<Socket> {
  const socket = connect(path);
  await once(socket, 'connect');
  return socket;
}

export function unreachable({ isRoot }: Caller, configFile: string, path: string, cause: unknown): TenantdError {
  const errno = errnoOf(cause);
  const make = (message: string, fix: string) => new TenantdError('TENANTD_E_UNREACHABLE', message, fix, { cause });
  if ((errno === 'EACCES' || errno === 'EPERM') && !isRoot) return make("only root may use the daemon's socket", 'run it as root (sudo)');
  if (errno === 'ENOENT' || errno === 'ECONNREFUSED') {
    return make(`no daemon answers at ${path}`, `start the daemon, or name the configuration it runs with by --config (now ${configFile})`);
  }
  return make(`the daemon can not be reached at ${path}: ${messageOf(cause)}`, 'look whether the daemon runs, and into its log');
}
