import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  childrenOf,
  identifyProcess,
  isSameProcess,
  namespaceInode,
  type ProcessIdentity,
  programOf,
  signalProcess,
} from '../../../src/privileged/processes.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Above the largest pid there can be (proc(5), pid_max). */
const noPid = 2 ** 22 + 1;

function startSleeper(program = '/bin/sleep'): { child: ChildProcess; identity: ProcessIdentity } {
  const child = spawn(program, ['60'], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  const identity = identifyProcess(child.pid ?? 0);
  if (!identity) throw new Error('it did not start');
  return { child, identity };
}

describe('a process', () => {
  test('is known again while it lives, and is no more when it ended', async () => {
    const { child, identity } = startSleeper();
    expect([isSameProcess(identity), identifyProcess(identity.pid)]).toEqual([true, identity]);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect([isSameProcess(identity), identifyProcess(identity.pid)]).toEqual([false, undefined]);
  });

  test('is known by its start also where its name looks like fields of /proc/PID/stat', () => {
    const odd = join(temporaryFolder(), 'a) R 1 (b');
    symlinkSync('/bin/sleep', odd);
    const [plain, named] = [startSleeper().identity, startSleeper(odd).identity];
    expect(named.startTicks).toBeGreaterThanOrEqual(plain.startTicks);
    expect(named.startTicks - plain.startTicks).toBeLessThan(1_000);
    expect(isSameProcess(named)).toBe(true);
  });

  test('that ended and waits to be reaped counts as none', async () => {
    // The shell becomes a program that never reaps what the shell started.
    const parent = spawn('/bin/sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
    onTestFinished(() => void parent.kill('SIGKILL'));
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(String(line));
    await expect.poll(() => programOf(parent.pid ?? 0)).toMatch(/sleep|coreutils|busybox/);
    expect(identifyProcess(pid)).toMatchObject({ pid });
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => identifyProcess(pid)).toBeUndefined();
    expect(readFileSync(`/proc/${pid}/stat`, 'utf8')).toContain(') Z ');
  });

  test('gets a signal, and the answer whether it was there', async () => {
    const { child, identity } = startSleeper();
    expect(signalProcess(identity, 'SIGTERM')).toBe(true);
    expect(await once(child, 'exit')).toEqual([null, 'SIGTERM']);
    expect(signalProcess(identity, 'SIGTERM')).toBe(false);
  });

  test('that has the pid of an earlier one gets no signal meant for that', () => {
    const { identity } = startSleeper();
    expect(signalProcess({ ...identity, startTicks: identity.startTicks - 1 }, 'SIGKILL')).toBe(false);
    expect(isSameProcess(identity)).toBe(true);
  });

  test('has children, a program and namespaces', () => {
    const { identity } = startSleeper();
    expect(childrenOf(identity.pid)).toEqual([]);
    expect(programOf(process.pid)).toBe(readlinkSync('/proc/self/exe'));
    expect(`pid:[${namespaceInode(process.pid, 'pid')}]`).toBe(readlinkSync('/proc/self/ns/pid'));
    expect(namespaceInode(identity.pid, 'net')).toBe(namespaceInode(process.pid, 'net'));
  });

  test('that is not there is no error', () => {
    const nobody = { pid: noPid, startTicks: 1 };
    expect([identifyProcess(noPid), programOf(noPid), namespaceInode(noPid, 'pid')]).toEqual([undefined, undefined, undefined]);
    expect([isSameProcess(nobody), signalProcess(nobody, 'SIGKILL'), childrenOf(noPid)]).toEqual([false, false, []]);
  });
});
