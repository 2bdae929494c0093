import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, test } from 'vitest';
import { programFrames, sessionFrames, writeFrame } from '../../../src/protocol/terminal.ts';
import { runTenantctl, startTenantctl, startWithInput } from './run-tenantctl.ts';
import { endFrame, startSessionPeer } from './session-peer.ts';

const sh = (script: string): string[] => ['exec', 'acme/site', '--', 'sh', '-c', script];

describe('tenantctl exec', () => {
  test('passes on stdout and stderr apart, and ends with the exit code of the command', async () => {
    const { configFile, calls } = await startSessionPeer();
    expect(await runTenantctl(['--config', configFile, ...sh('echo out; echo err >&2; exit 7')])).toEqual({
      exitCode: 7,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    const params = { tenant: 'acme', app: 'site', command: ['sh', '-c', 'echo out; echo err >&2; exit 7'] };
    expect(calls).toEqual([{ method: 'exec', params }]);
  });

  test('ends as a shell would for a command that a signal ended', async () => {
    const { configFile } = await startSessionPeer();
    expect(await runTenantctl(['--config', configFile, ...sh('kill -TERM $$')])).toMatchObject({ exitCode: 143 });
  });

  test('with --json gives one document, whatever the exit code', async () => {
    const { configFile } = await startSessionPeer();
    const run = await runTenantctl(['--config', configFile, '--json', ...sh('echo out; echo err >&2; kill -INT $$')]);
    expect(run).toMatchObject({ exitCode: 130, stderr: '' });
    expect(JSON.parse(run.stdout)).toEqual({ exitCode: 130, signal: 'SIGINT', stdout: 'out\n', stderr: 'err\n' });
  });

  test('with --json gives the first 4 MiB, and says that there was more', async () => {
    const { configFile } = await startSessionPeer();
    const run = await runTenantctl(['--config', configFile, '--json', ...sh('yes | head -c 5000000')]);
    const { stdout, ...rest } = JSON.parse(run.stdout) as { stdout: string };
    expect(rest).toEqual({ exitCode: 0, stderr: '', truncated: true });
    expect(stdout.length).toBe(4 << 20);
  });

  test('passes bytes through as they are, with little memory', async () => {
    const { configFile } = await startSessionPeer();
    const { child, finished } = startWithInput(['--config', configFile, 'exec', 'acme', '--', 'cat']);
    const total = 150;
    const piece = Buffer.from(Array.from({ length: 1 << 20 }, (_, index) => (index * index) % 256));
    const hashes = { sent: createHash('sha256'), received: createHash('sha256') };
    child.stdout.on('data', (chunk: Buffer) => hashes.received.update(chunk));
    function* pieces(): Generator<Buffer> {
      for (let count = 0; count < total; count++) {
        hashes.sent.update(piece);
        yield piece;
      }
    }
    let peakMegabytes = 0;
    child.stdout.on('data', () => (peakMegabytes = Math.max(peakMegabytes, residentMegabytes(child.pid))));
    await pipeline(Readable.from(pieces()), child.stdin);
    expect(await finished).toBe(0);
    expect(hashes.received.digest('hex')).toBe(hashes.sent.digest('hex'));
    expect(peakMegabytes).toBeGreaterThan(10);
    expect(peakMegabytes).toBeLessThan(250);
  });

  test('ends as the command would when nobody reads what it says', async () => {
    const { configFile } = await startSessionPeer();
    const { child, finished } = startWithInput(['--config', configFile, 'exec', 'acme', '--', 'yes']);
    await once(child.stdout, 'data');
    child.stdout.destroy();
    expect(await finished).toBe(141);
  });

  test('passes on a signal, and ends with the command', async () => {
    const { configFile } = await startSessionPeer();
    const script = 'trap "echo got it; exit 5" INT; echo ready; while :; do sleep 0.05; done';
    const { child, finished, untilPrinted } = startTenantctl(['--config', configFile, ...sh(script)]);
    await untilPrinted('ready');
    child.kill('SIGINT');
    expect(await finished).toMatchObject({ exitCode: 5, stdout: 'ready\ngot it\n' });
  });

  test('leaves at the second signal', async () => {
    const { configFile, clientGone } = await startSessionPeer();
    const script = 'trap "echo heard" TERM; echo ready; while :; do sleep 0.05; done';
    const { child, finished, untilPrinted } = startTenantctl(['--config', configFile, ...sh(script)]);
    await untilPrinted('ready');
    child.kill('SIGTERM');
    await untilPrinted('heard');
    child.kill('SIGTERM');
    expect(await finished).toMatchObject({ exitCode: 143 });
    await clientGone;
  });

  test('says why the daemon ended the session', async () => {
    const error = { code: 'TENANTD_E_SESSION_ENDED', message: 'the session was ended: the daemon stops\x1b[2J', fix: 'wait' } as const;
    const { configFile } = await startSessionPeer((client) => {
      void writeFrame(client, sessionFrames.end, endFrame({ exitCode: 129, error }));
      client.end();
    });
    expect(await runTenantctl(['--config', configFile, ...sh('sleep 100')])).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'tenantctl: the session was ended: the daemon stops (TENANTD_E_SESSION_ENDED)\n  fix: wait\n',
    });
  });

  test('says that memory was the reason', async () => {
    const { configFile } = await startSessionPeer((client) => {
      void writeFrame(client, sessionFrames.end, endFrame({ exitCode: null, outOfMemory: true }));
      client.end();
    });
    expect(await runTenantctl(['--config', configFile, ...sh('true')])).toEqual({
      exitCode: 137,
      stdout: '',
      stderr: 'tenantctl: something was ended at the memory limit of acme\n',
    });
  });

  test.each([
    ['is gone', Buffer.alloc(0)],
    ['says what is no frame', Buffer.alloc(100, 0xff)],
  ])('tells of a daemon that %s', async (_, bytes) => {
    const { configFile } = await startSessionPeer((client) => client.end(bytes));
    expect(await runTenantctl(['--config', configFile, ...sh('true')])).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('TENANTD_E_UNREACHABLE'),
    });
  });

  test('takes no word for the daemon from what is in the sandbox', async () => {
    const forged = endFrame({ error: { code: 'TENANTD_E_DENIED', message: 'forged', fix: 'forged' } });
    const { configFile } = await startSessionPeer((client) => {
      const inner = Buffer.concat([Buffer.from([sessionFrames.end, 0, 0, 0, forged.length]), forged]);
      void writeFrame(client, sessionFrames.output, inner);
      void writeFrame(client, sessionFrames.output, Buffer.from([programFrames.exit, 0, 0, 0, 2, 4, 0]));
      void writeFrame(client, sessionFrames.end, endFrame({ exitCode: 4 }));
      client.end();
    });
    expect(await runTenantctl(['--config', configFile, ...sh('true')])).toEqual({ exitCode: 4, stdout: '', stderr: '' });
  });

  test.each([
    [['exec', 'acme'], 'command'],
    [['exec', 'acme', 'ls', '-l'], 'unknown option'],
    [['exec', '--json', '--tty', 'acme', '--', 'ls'], 'exclude each other'],
    [['shell', '--json', 'acme'], 'a shell has no --json'],
  ])('refuses %o', async (args, words) => {
    expect(await runTenantctl(['--config', '/nowhere', ...args])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(words) });
  });
});

function residentMegabytes(pid: number | undefined): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
}
