import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { operatorSocket } from '../../../src/protocol/control.ts';
import { startControlPeer, temporaryFolder, writeConfiguration } from './control-peer.ts';
import { runTenantctl } from './run-tenantctl.ts';

const noTenants = {
  version: '0.1.0',
  pid: 1,
  startedAt: '2026-01-01T12:00:00.000Z',
  certs: { pid: 0 },
  edge: { processes: [], http: [], https: [] },
  problems: [],
  tenants: [],
};

describe('the daemon is found', () => {
  test('by a relative --config', async () => {
    const { configFile } = await startControlPeer({ status: () => noTenants });
    const fromHere = join('..'.concat('/..'.repeat(process.cwd().split('/').length)), configFile);
    expect((await runTenantctl(['status', '--config', fromHere])).exitCode).toBe(0);
  });

  test('by --config before TENANTD_CONFIG', async () => {
    const { configFile } = await startControlPeer({ status: () => noTenants });
    const { exitCode, stdout } = await runTenantctl(['--config', configFile, 'status'], { TENANTD_CONFIG: '/nonexistent' });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('There are no tenants.');
  });

  test('where the path of its socket is over 107 bytes', async () => {
    const { configFile } = await startControlPeer({ status: () => noTenants }, `${'long-folder-name/'.repeat(8)}run`);
    expect(await runTenantctl(['status', '--config', configFile])).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test.each([
    ['a key that the schema does not have', 'colour: blue\n'],
    ['a fault of syntax', 'http: [\n'],
  ])('after its configuration got %s, since it goes on with the last good one', async (_what, fault) => {
    const { configFile } = await startControlPeer({ status: () => noTenants });
    writeFileSync(configFile, `runDir: ${dirname(configFile)}/run # here\n${fault}`);
    expect(await runTenantctl(['status', '--config', configFile])).toMatchObject({ exitCode: 0, stderr: '' });
  });
});

describe('a daemon that can not be reached', () => {
  test.each<[string, RegExp, (place: ReturnType<typeof writeConfiguration>) => void]>([
    ['it does not run', /no daemon answers at .+operator\.sock/, () => {}],
    ['it was killed, and left its socket', /no daemon answers at .+operator\.sock/, ({ runDir }) => leaveSocket(runDir)],
    ['there is no configuration', /does not say where the daemon is: the file is not there/, ({ configFile }) => rmSync(configFile)],
  ])('because %s: exit code 3', async (_why, message, arrange) => {
    const place = writeConfiguration(temporaryFolder());
    arrange(place);
    for (const command of [['status'], ['reload'], ['logs', 'acme'], ['logs', '-f', 'acme'], ['app', 'stop', 'acme/site']]) {
      const { exitCode, stdout, stderr } = await runTenantctl([...command, '--json', '--config', place.configFile]);
      expect(exitCode).toBe(3);
      expect(JSON.parse(stdout)).toEqual({
        error: { code: 'TENANTD_E_UNREACHABLE', message: expect.stringMatching(message), fix: expect.stringMatching(/./) },
      });
      expect(stderr).toContain('TENANTD_E_UNREACHABLE');
    }
  });

  test('because it ends in the middle: exit code 3', async () => {
    const { configFile } = await startControlPeer({ status: (_params, channel) => channel.close() });
    expect((await runTenantctl(['status', '--config', configFile])).exitCode).toBe(3);
  });

  test('because something else listens there: exit code 3', async () => {
    const { configFile, runDir } = writeConfiguration(temporaryFolder());
    mkdirSync(join(runDir, 'control'), { recursive: true });
    const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(join(runDir, operatorSocket));
    const { exitCode, stderr } = await runTenantctl(['status', '--config', configFile]);
    server.close();
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining('TENANTD_E_UNREACHABLE')]);
  });
});

/** As SIGKILL leaves it: bound by a process that is gone. */
function leaveSocket(runDir: string): void {
  mkdirSync(join(runDir, 'control'), { recursive: true });
  const bind = 'require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))';
  const { signal } = spawnSync(process.execPath, ['-e', bind, join(runDir, operatorSocket)]);
  expect(signal).toBe('SIGKILL');
  expect(lstatSync(join(runDir, operatorSocket)).isSocket()).toBe(true);
}
