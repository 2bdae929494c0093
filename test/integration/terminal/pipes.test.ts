import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { clientFrames, stdinWindowBytes } from '../../../src/protocol/terminal.ts';
import { until } from '../../support/until.ts';
import { startTerminal } from './terminal-program.ts';

const sh = (script: string): { command: string[] } => ({ command: ['sh', '-c', script] });

describe('a command behind pipes', () => {
  test('has stdout and stderr apart, and its exit code is told and passed on', async () => {
    const { exited, told } = startTerminal(sh('echo out; echo err >&2; exit 7'));
    expect(await exited).toBe(7);
    expect(told).toMatchObject({ stdout: 'out\n', stderr: 'err\n', exit: [7, 0] });
  });

  test('that a signal ended is told with the signal, and passed on as a shell does', async () => {
    const { exited, told } = startTerminal(sh('kill -TERM $$'));
    expect(await exited).toBe(143);
    expect(told.exit).toEqual([0, 15]);
  });

  test.each([
    [['no-such-program'], 127, 'no-such-program'],
    [['/etc/passwd'], 126, 'ermission denied'],
  ])('that is %o ends as in a shell', async (command, code, words) => {
    const { exited, told } = startTerminal({ command });
    expect(await exited).toBe(code);
    expect(told.exit).toEqual([code, 0]);
    expect(told.stderr).toContain(words);
  });

  test('may open its own stdout and stderr by name, as scripts do', async () => {
    const { exited, told } = startTerminal(sh('echo one > /dev/stdout; echo two > /dev/stderr'));
    expect(await exited).toBe(0);
    expect(told).toMatchObject({ stdout: 'one\n', stderr: 'two\n' });
  });

  test('gets bytes as they are, and their end', async () => {
    const bytes = randomBytes(200_000);
    const { send, exited, told } = startTerminal({ command: ['cat'] });
    for (let start = 0; start < bytes.length; start += 50_000) send(clientFrames.stdin, bytes.subarray(start, start + 50_000));
    send(clientFrames.stdinEnd);
    expect(await exited).toBe(0);
    expect(Buffer.from(told.stdout, 'latin1').equals(bytes)).toBe(true);
    expect(told.creditBytes).toBe(bytes.length);
  });

  test('has all that it said told, also when it says much and ends at once', async () => {
    const { exited, told } = startTerminal(sh('head -c 5000000 /dev/zero'));
    expect(await exited).toBe(0);
    expect(told.stdoutBytes).toBe(5_000_000);
  });

  test('begins in its directory, with a home that is made, and no signal ignored', async () => {
    const { exited, told, home } = startTerminal(sh('pwd; ls -d ~; grep SigIgn /proc/self/status'));
    expect(await exited).toBe(0);
    expect(told.stdout.split('\n').slice(0, -1)).toEqual([home, `${home}/home`, 'SigIgn:\t0000000000000000']);
  });

  test('does not have the connection of its session', async () => {
    const { exited, told } = startTerminal(sh('ls -l /proc/self/fd'));
    expect(await exited).toBe(0);
    expect(told.stdout).toContain('/out');
    expect(told.stdout).not.toContain('socket:');
  });

  test('begins elsewhere when its directory is gone', async () => {
    const { exited, told } = startTerminal({ ...sh('pwd'), directory: '/nowhere' });
    expect(await exited).toBe(0);
    expect(told.stdout).toBe('/\n');
  });

  test('that left something running is not waited for', async () => {
    const { exited, told } = startTerminal(sh('sleep 100 & echo $!'));
    expect(await exited).toBe(0);
    process.kill(Number(told.stdout), 'SIGKILL');
  });

  test('gets signals, with all of its process group', async () => {
    const { send, exited, told, untilPrinted } = startTerminal(sh('sleep 100 & echo $!; wait; echo not this'));
    await untilPrinted(/\n/);
    send(clientFrames.signal, Buffer.from([15]));
    expect(await exited).toBe(143);
    expect(told.stdout).toMatch(/^\d+\n$/);
    await until(() => !isRunning(Number(told.stdout)), 'what it started has ended');
  });

  test('that is not read waits, and costs no memory meanwhile', async () => {
    const totalBytes = 200_000_000;
    const { exited, told, connection, child, send } = startTerminal(sh(`head -c ${totalBytes} /dev/zero; cat`), { keep: false });
    // As a client does that can't write for a moment, now and then.
    connection.on('data', () => {
      connection.pause();
      setImmediate(() => connection.resume());
    });
    await until(() => told.stdoutBytes === totalBytes, 'all came', 60_000);
    expect(peakMegabytes(child.pid)).toBeLessThan(150);
    send(clientFrames.stdinEnd);
    expect(await exited).toBe(0);
  });
});

describe('a client that', () => {
  test('sends a signal that none may send, or what means nothing, changes nothing', async () => {
    const { send, type, exited, told } = startTerminal({ command: ['cat'] });
    for (const number of [0, 9, 19, 64, 255]) send(clientFrames.signal, Buffer.from([number]));
    send(clientFrames.signal);
    send(99, 'what');
    send(clientFrames.resize, 'wide');
    type('x');
    send(clientFrames.stdinEnd);
    expect(await exited).toBe(0);
    expect(told.stdout).toBe('x');
  });

  test('leaves ends the program by SIGHUP', async () => {
    const { connection, exited, untilPrinted } = startTerminal(sh('trap "exit 3" HUP; echo ready; while :; do sleep 0.05; done'));
    await untilPrinted(/ready/);
    connection.destroy();
    expect(await exited).toBe(3);
  });

  test('leaves ends a program that wants to stay, and one that is stopped', async () => {
    const stubborn = startTerminal(sh('trap "" HUP TERM; echo ready; while :; do sleep 0.05; done'));
    const stopped = startTerminal(sh('echo ready; kill -STOP $$'));
    await Promise.all([stubborn.untilPrinted(/ready/), stopped.untilPrinted(/ready/)]);
    stubborn.connection.destroy();
    stopped.connection.destroy();
    expect(await stubborn.exited).toBe(137);
    expect(await stopped.exited).toBe(129);
  });

  test('sends what is no frame is hung up on', async () => {
    const { connection, exited } = startTerminal({ command: ['sleep', '100'] });
    connection.write(Buffer.alloc(10, 0xff));
    expect(await exited).toBe(129);
  });

  test('sends more than it has credit for, to a program that does not read, is hung up on', async () => {
    const { send, exited } = startTerminal({ command: ['sleep', '100'] });
    for (let sent = 0; sent <= 3 * stdinWindowBytes; sent += 60_000) send(clientFrames.stdin, Buffer.alloc(60_000));
    expect(await exited).toBe(129);
  });
});

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function peakMegabytes(pid: number | undefined): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
}
