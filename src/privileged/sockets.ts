import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, closeSync, constants, openSync, renameSync, rmSync } from 'node:fs';
import net from 'node:net';
import { basename, dirname } from 'node:path';
import { errnoOf, TenantdError } from '../base/errors.ts';
import type { Ownership } from './directories.ts';

/** sockaddr_un holds 108 bytes (unix(7)). */
const maxSocketPathBytes = 107;

/** A socket that is bound but does not listen: whoever inherits the descriptor listens and accepts. */
export interface InheritableSocket {
  fd: number;
  /** Of this process only; the inheritors keep theirs. */
  close(): void;
}

/**
 * Binds a Unix socket in a directory that only root can write. It appears under its name only with its owner and mode set.
 * The name stays when the socket is closed: closing unlinks the name it was bound to, which is another one.
 */
export function bindUnixSocket(path: string, ownership: Ownership): InheritableSocket {
  const { bound, release } = bindUnderName(path, ownership);
  const fd = bound.fd();
  return {
    fd,
    close() {
      bound.close();
      release();
    },
  };
}

/** Listens on a Unix socket in this process; answers with a function that closes it and removes its name. */
export async function listenUnixSocket(
  server: net.Server,
  path: string,
  ownership: Ownership,
  /** Before anybody can connect. */
  prepare: (fd: number) => void = () => {},
): Promise<() => Promise<void>> {
  const { bound, release } = bindUnderName(path, ownership);
  prepare(bound.fd());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(bound, resolve);
  await promise;
  return async () => {
    rmSync(path, { force: true });
    await new Promise((done) => server.close(done));
    release();
  };
}

/** SOL_SOCKET and SO_PASSRIGHTS (asm-generic/socket.h), in Perl since Node sets no such option; it is the socket's, whoever sets it. */
const refuseRights = 'open(my $socket, "+<&=", 3) or exit 1; exit !setsockopt($socket, 1, 83, pack("i", 0))';

/**
 * As `listenUnixSocket`, for anybody on the machine to connect to: descriptors that are sent along (SCM_RIGHTS) are refused, since the
 * kernel would close them in this process' name, which their sender can make take minutes. `refuses` is false where the kernel
 * can not (before Linux 6.16).
 */
export async function listenForAnybody(
  server: net.Server,
  path: string,
  { perl }: { perl: string },
): Promise<{ close: () => Promise<void>; refuses: boolean }> {
  let refuses = false;
  const close = await listenUnixSocket(server, path, { uid: 0, gid: 0, mode: 0o666 }, (fd) => {
    refuses = spawnSync(perl, ['-e', refuseRights], { stdio: ['ignore', 'ignore', 'ignore', fd], env: {}, cwd: '/' }).status === 0;
  });
  return { close, refuses };
}

function bindUnderName(path: string, ownership: Ownership): { bound: net.BoundSocket; release: () => void } {
  const unfinished = `${path}.new`;
  rmSync(unfinished, { force: true });
  const { shortPath, release } = shortenPath(unfinished);
  const bound = bindPath(shortPath);
  chownSync(unfinished, ownership.uid, ownership.gid);
  chmodSync(unfinished, ownership.mode);
  renameSync(unfinished, path);
  return { bound, release };
}

export function bindTcpSocket(address: { host: string; port: number }): InheritableSocket {
  try {
    const bound = new net.BoundSocket({ host: address.host, port: address.port });
    return { fd: bound.fd(), close: () => bound.close() };
  } catch (error) {
    const where = `${address.host}:${address.port}`;
    if (errnoOf(error) === 'EADDRINUSE') {
      throw new TenantdError(
        'TENANTD_E_PORT_BUSY',
        `${where} is in use by another program`,
        'stop it, or listen elsewhere (http.listen and https.listen in tenantd.yaml)',
      );
    }
    throw new TenantdError(
      'TENANTD_E_PORT_BUSY',
      `can't listen on ${where}: ${errnoOf(error) ?? String(error)}`,
      'see http.listen and https.listen in tenantd.yaml',
      { cause: error },
    );
  }
}

/** A path too long for a socket is reached through a descriptor of its directory, kept while the socket is open. */
function shortenPath(path: string): { shortPath: string; release: () => void } {
  if (Buffer.byteLength(path) <= maxSocketPathBytes) return { shortPath: path, release: () => {} };
  const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  return { shortPath: `/proc/self/fd/${directory}/${basename(path)}`, release: () => closeSync(directory) };
}

/** Node 26 binds paths too (https://nodejs.org/api/net.html#class-netboundsocket); its type declarations lag behind. */
function bindPath(path: string): net.BoundSocket {
  return new net.BoundSocket({ path } as net.BoundSocketOptions);
}
