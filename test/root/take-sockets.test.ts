import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { identifyProcess, type ProcessIdentity } from '../../src/privileged/processes.ts';
import { takeListeningSockets } from '../../src/privileged/take-sockets.ts';
import { request } from '../support/client.ts';

const perl = '/usr/bin/perl';

/** A process that listens on its descriptor 3, and has a connected socket as 4; it answers with its name. */
async function startHolder(name: string) {
  const bound = new net.BoundSocket({ host: '127.0.0.1', port: 0 });
  const code = `require('node:http').createServer((_, response) => response.end('${name}')).listen({ fd: 3 }, () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit', bound.fd(), 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  const { port } = bound.address();
  bound.close();
  return { child, port, identity: identityOf(child) };
}

function identityOf({ pid = 0 }: ChildProcess): ProcessIdentity {
  const identity = identifyProcess(pid);
  if (!identity) throw new Error('the process has ended');
  return identity;
}

const openSockets = (): number => readdirSync('/proc/self/fd').length;

test('a listening socket of another process is had, and what waits at it outlives that process', async () => {
  const holder = await startHolder('first');
  const [socket] = await takeListeningSockets(perl, holder.identity, [{ fd: 3, port: holder.port }]);
  expect((await request(holder.port, { host: 'a' })).text).toBe('first');
  holder.child.kill('SIGKILL');
  await once(holder.child, 'exit');
  const waiting = request(holder.port, { host: 'a' });
  const code = "require('node:http').createServer((_, response) => response.end('second')).listen({ fd: 3 })";
  const next = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'ignore', 'inherit', socket?.fd ?? -1] });
  onTestFinished(() => void next.kill('SIGKILL'));
  expect((await waiting).text).toBe('second');
  socket?.close();
});

test('nothing else is taken: no other socket, port, process or file', async () => {
  const { identity, port } = await startHolder('any');
  const before = openSockets();
  const taken = (pid: ProcessIdentity, wanted: { fd: number; port: number }[]) => takeListeningSockets(perl, pid, wanted);
  const refused = { code: 'TENANTD_E_EDGE_SOCKETS' };
  await expect(taken(identity, [{ fd: 4, port }])).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining('no listening') as string,
  });
  await expect(taken(identity, [{ fd: 1, port }])).rejects.toMatchObject(refused);
  await expect(taken(identity, [{ fd: 99, port }])).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining('pidfd_getfd') as string,
  });
  await expect(taken(identity, [{ fd: 3, port: port + 1 }])).rejects.toMatchObject(refused);
  await expect(
    taken(identity, [
      { fd: 3, port },
      { fd: 4, port },
    ]),
  ).rejects.toMatchObject(refused);
  const later = { ...identity, startTicks: identity.startTicks + 1 };
  await expect(taken(later, [{ fd: 3, port }])).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining('has ended') as string,
  });
  expect(openSockets()).toBe(before);
  expect(readFileSync(`/proc/${identity.pid}/comm`, 'utf8')).toMatch(/node/i);
});
