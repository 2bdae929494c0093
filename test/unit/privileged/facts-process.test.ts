import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { mountsOf, placeOf, roomAt } from '../../../src/privileged/facts-mounts.ts';
import {
  controlGroupLinesOf,
  descriptorsOf,
  environmentNamesOf,
  hardLimitsOf,
  interfacesOf,
  isSocketOfNetwork,
  namespacesOf,
  processFactsOf,
} from '../../../src/privileged/facts-process.ts';
import { scanProcesses } from '../../../src/privileged/facts-scan.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Of a process that nobody has. */
const nobody = 2 ** 22 + 1;

test('this process is what it is', () => {
  const { uid, gid } = { uid: process.getuid?.(), gid: process.getgid?.() };
  expect(processFactsOf(process.pid)).toMatchObject({ isZombie: false, uids: [uid, uid, uid, uid], gids: [gid, gid, gid, gid] });
  expect(processFactsOf(process.pid)?.namespacePids.length).toBeGreaterThan(0);
  expect(interfacesOf(process.pid)).toEqual(expect.arrayContaining(Object.keys(networkInterfaces())));
  expect(hardLimitsOf(process.pid).get('Max open files')).toBeGreaterThan(0);
  expect(controlGroupLinesOf(process.pid)[0]).toMatch(/^\d+:.*:\//);
  expect(namespacesOf(process.pid)).toEqual(namespacesOf('self'));
});

test('the names of an environment are those it was started with, without their values', async () => {
  const child = spawn('/bin/sleep', ['60'], { env: { PLAIN: 'value=with=signs', EMPTY: '' }, stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'spawn');
  expect(environmentNamesOf(child.pid ?? 0).toSorted()).toEqual(['EMPTY', 'PLAIN']);
});

test('an open file is found with the mount it was opened through', () => {
  const file = join(temporaryFolder(), 'file');
  const fd = openSync(file, 'w');
  onTestFinished(() => closeSync(fd));
  const found = descriptorsOf(process.pid, 100_000).find((descriptor) => descriptor.fd === fd);
  expect(found?.target).toBe(file);
  expect(mountsOf('self').map(({ id }) => id)).toContain(found?.mountId);
});

test('a socket is of the network that it was made in, and no other one is', async () => {
  const path = join(temporaryFolder(), 'socket');
  const server = createServer().listen(path);
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const sockets = descriptorsOf(process.pid, 100_000)
    .map(({ target }) => target)
    .filter((target) => target.startsWith('socket:'));
  expect(sockets.some((socket) => isSocketOfNetwork(process.pid, socket))).toBe(true);
  expect(isSocketOfNetwork(process.pid, 'socket:[999999999]')).toBe(false);
  expect(isSocketOfNetwork(process.pid, 'none')).toBe(false);
});

test('every process is seen, this one among them', async () => {
  const seen = (await scanProcesses()).find(({ pid }) => pid === process.pid);
  expect(seen).toMatchObject({
    pidNamespace: namespacesOf('self')?.pid,
    network: namespacesOf('self')?.net,
    groups: controlGroupLinesOf(process.pid),
  });
});

test('of a process that is gone there is nothing', () => {
  expect([processFactsOf(nobody), namespacesOf(nobody), roomAt(nobody, '/')]).toEqual([undefined, undefined, undefined]);
  const nothing = [environmentNamesOf(nobody), descriptorsOf(nobody), interfacesOf(nobody), controlGroupLinesOf(nobody), mountsOf(nobody)];
  expect(nothing).toEqual([[], [], [], [], []]);
  expect(hardLimitsOf(nobody).size).toBe(0);
});

test('a path is a place in the deepest mount over it, the last one there', () => {
  const mount = (target: string, device: string, root = '/') => ({
    ...{ id: '1', device, root, target },
    options: new Set<string>(),
    type: 'ext4',
    source: 'x',
  });
  const mounts = [mount('/', '8:1'), mount('/srv', '8:2', '/sub'), mount('/srv/data', '7:0'), mount('/srv/data', '7:1', '/x')];
  expect(placeOf('/srv/data/a', mounts)).toEqual({ device: '7:1', root: '/x/a' });
  expect(placeOf('/srv/database', mounts)).toEqual({ device: '8:2', root: '/sub/database' });
  expect(placeOf('/srv', mounts)).toEqual({ device: '8:2', root: '/sub' });
  expect(placeOf('/etc/x', mounts)).toEqual({ device: '8:1', root: '/etc/x' });
  expect(placeOf('/etc', [])).toBeUndefined();
});
