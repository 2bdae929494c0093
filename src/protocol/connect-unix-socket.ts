import { once } from 'node:events';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { basename, dirname } from 'node:path';

/** `sun_path` has 108 bytes, one of them for the end (unix(7)). */
const maxSocketPathBytes = 107;

/** Over-long paths are shortened through a descriptor of their directory. */
export async function connectUnixSocket(path: string): Promise<Socket> {
  if (Buffer.byteLength(path) <= maxSocketPathBytes) return connected(path);
  await using directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  return await connected(`/proc/self/fd/${directory.fd}/${basename(path)}`);
}

async function connected(path: string): Promise<Socket> {
  const socket = connect(path);
  await once(socket, 'connect');
  return socket;
}
