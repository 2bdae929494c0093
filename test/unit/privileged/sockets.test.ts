import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { bindTcpSocket, bindUnixSocket, listenUnixSocket } from '../../../src/privileged/sockets.ts';
import { temporaryFolder } from './temporary-folder.ts';

let folder: string;

beforeEach(() => {
  folder = temporaryFolder();
});

const ownership = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mode: 0o640 };

async function answerAt(path: string): Promise<string> {
  const socket = net.connect(path);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return String(chunk);
}

function listenOn(fd: number): Promise<net.Server> {
  const server = net.createServer((socket) => socket.end('inherited'));
  onTestFinished(() => void server.close());
  return new Promise((resolve) => server.listen({ fd }, () => resolve(server)));
}

describe('a bound Unix socket', () => {
  test('has its owner and mode under its name, and whoever has the descriptor answers there', async () => {
    const path = join(folder, 'a.sock');
    const { fd } = bindUnixSocket(path, ownership);
    expect(statSync(path).mode & 0o7777).toBe(0o640);
    expect(readdirSync(folder)).toEqual(['a.sock']);
    await listenOn(fd);
    await expect(answerAt(path)).resolves.toBe('inherited');
  });

  test('keeps its name when it is closed here', () => {
    const path = join(folder, 'a.sock');
    bindUnixSocket(path, ownership).close();
    expect(statSync(path).isSocket()).toBe(true);
  });

  test('takes the place of what an earlier daemon left', async () => {
    const path = join(folder, 'a.sock');
    writeFileSync(path, '');
    writeFileSync(`${path}.new`, '');
    const { fd } = bindUnixSocket(path, ownership);
    await listenOn(fd);
    await expect(answerAt(path)).resolves.toBe('inherited');
  });

  test('may have a path that is too long for a socket address', async () => {
    const deep = join(folder, 'd'.repeat(120));
    mkdirSync(deep);
    const path = join(deep, 'a.sock');
    const close = await listenUnixSocket(
      net.createServer((socket) => socket.end('far away')),
      path,
      ownership,
    );
    expect(readdirSync(deep)).toEqual(['a.sock']);
    await close();
    expect(readdirSync(deep)).toEqual([]);
  });
});

test('a server on a Unix socket answers until it is closed, and its name is gone then', async () => {
  const path = join(folder, 'control.sock');
  const close = await listenUnixSocket(
    net.createServer((socket) => socket.end('here')),
    path,
    ownership,
  );
  await expect(answerAt(path)).resolves.toBe('here');
  await close();
  expect(existsSync(path)).toBe(false);
});

describe('a bound TCP socket', () => {
  test('of a busy port is a problem that names the address and the key of the configuration', async () => {
    const other = net.createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await once(other, 'listening');
    const { port } = other.address() as net.AddressInfo;
    expect(() => bindTcpSocket({ host: '127.0.0.1', port })).toThrow(
      expect.objectContaining({
        code: 'TENANTD_E_PORT_BUSY',
        message: `127.0.0.1:${port} is in use by another program`,
        fix: expect.stringContaining('http.listen'),
      }),
    );
  });

  test('of an address that this machine does not have says so', () => {
    expect(() => bindTcpSocket({ host: '192.0.2.1', port: 8_080 })).toThrow(
      expect.objectContaining({ code: 'TENANTD_E_PORT_BUSY', message: "can't listen on 192.0.2.1:8080: EADDRNOTAVAIL" }),
    );
  });
});
