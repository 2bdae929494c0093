import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TenantListResult } from '../../src/protocol/tenant-calls.ts';
import { request } from '../support/client.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { standInPrograms } from './disk-support.ts';
import { processesAs, tracesOf, uidsOf } from './life-support.ts';
import { spawnCtl, startCtl, untilPrinted } from './shell-support.ts';

const app = "require('node:http').createServer((request, response) => response.end('here')).listen(3000);";
const moments = 10;

function filesOf(name: string): Record<string, string> {
  return {
    'tenant.yaml': `domains: [${name}.test]\n`,
    'apps/site/package.json': '{ "main": "server.js" }',
    'apps/site/server.js': app,
    'apps/site/assets/style.css': 'p {}',
  };
}

async function statesOf(daemon: TestDaemon): Promise<Map<string, string>> {
  const { stdout } = await daemon.ctl('tenant', 'list', '--json');
  return new Map((JSON.parse(stdout) as TenantListResult).tenants.map(({ name, state }) => [name, state]));
}

describe('a daemon that is killed in the middle of a life', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await startTestDaemon();
  }, 60_000);
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test('of a tenant that was created there is nothing, or all of it', async () => {
    for (let moment = 0; moment < moments; moment++) {
      const name = `begun${moment}end`;
      const command = spawnCtl(daemon, 'tenant', 'create', name, '--domain', `${name}.test`);
      // From before it is asked until after it has answered.
      await delay(60 + moment * 50);
      await daemon.kill();
      command.kill('SIGKILL');
      await daemon.start();
      const isWhole = existsSync(`${daemon.tenantsDir}/${name}`);
      await until(
        async () => (await statesOf(daemon)).get(name) === (isWhole ? 'running' : undefined),
        `${name} runs, or is not there`,
        30_000,
      );
      expect(isWhole ? [] : tracesOf(daemon, name)).toEqual([]);
      await until(() => readdirSync(daemon.tenantsDir).every((file) => !file.startsWith('.')), 'nothing unfinished is left');
    }
  }, 180_000);

  test('a tenant that was being deleted is gone soon after the next start', async () => {
    for (let moment = 0; moment < moments; moment++) {
      const name = `ended${moment}end`;
      daemon.writeTenant(name, filesOf(name));
      await daemon.untilApps([`${name}/site`]);
      const uids = uidsOf(daemon, name);
      const command = spawnCtl(daemon, 'tenant', 'remove', name, '--now', '--yes');
      await delay(80 + moment * 60);
      await daemon.kill();
      command.kill('SIGKILL');
      await daemon.start();
      const state = (await statesOf(daemon)).get(name) ?? 'removing';
      // Killed before it was asked.
      if (state !== 'removing') await daemon.ctl('tenant', 'remove', name, '--now', '--yes');
      await until(async () => !(await statesOf(daemon)).has(name), `${name} is gone`, 30_000);
      expect(tracesOf(daemon, name)).toEqual([]);
      expect(processesAs(uids)).toEqual([]);
    }
  }, 240_000);
});

describe('a tenant that can not be deleted at once', () => {
  test('is tried again, and says why until then', async () => {
    using programs = standInPrograms(['/usr/sbin/userdel']);
    await using daemon = await startTestDaemon({ tenants: { stuck: filesOf('stuck') }, wrapper: programs.wrapper });
    await daemon.untilApps(['stuck/site']);
    programs.set('/usr/sbin/userdel', 'fail');
    const { code, stderr } = await daemon.ctl('tenant', 'remove', 'stuck', '--now', '--yes');
    expect(code).toBe(1);
    expect(stderr).toContain('not on this machine');
    expect(await daemon.tenant('stuck')).toMatchObject({ state: 'removing', problems: [{ code: 'TENANTD_E_USER' }] });
    expect((await daemon.ctl('tenant', 'resume', 'stuck')).stderr).toContain('TENANTD_E_SUSPENDED');
    expect((await request(daemon.port, { host: 'stuck.test' })).status).toBe(421);
    programs.set('/usr/sbin/userdel', 'as-ever');
    await until(async () => !(await statesOf(daemon)).has('stuck'), 'it is gone', 30_000);
    expect(tracesOf(daemon, 'stuck')).toEqual([]);
  }, 90_000);
});

describe('a tenant that holds on to what it has', () => {
  test('is deleted with its open shell, its open files and its closed folders', async () => {
    await using daemon = await startTestDaemon({ tenants: { clings: filesOf('clings') } });
    await daemon.untilApps(['clings/site']);
    const script = `trap '' TERM HUP INT; mkdir -p /data/shared/a/b; exec 3> /data/shared/a/held; ln -s /etc /data/shared/etc; mkfifo /data/shared/pipe
      chmod 000 /data/shared/a/b /data/shared/a; echo held; while :; do sleep 1; done`;
    const shell = startCtl(daemon, 'exec', 'clings/site', '--', 'sh', '-c', script);
    await untilPrinted(shell, 'held');
    const uids = uidsOf(daemon, 'clings');
    expect((await daemon.ctl('tenant', 'remove', 'clings', '--now', '--yes')).code).toBe(0);
    expect((await shell.finished).code).not.toBe(0);
    expect([tracesOf(daemon, 'clings'), processesAs(uids)]).toEqual([[], []]);
    expect(existsSync('/etc/passwd')).toBe(true);
  }, 90_000);
});

describe('a tenant whose time has come', () => {
  test('is deleted by itself, also by the next daemon', async () => {
    await using daemon = await startTestDaemon({ tenants: { brief: filesOf('brief') }, config: 'removal: { keepFor: 1s }' });
    await daemon.untilApps(['brief/site']);
    expect((await daemon.ctl('tenant', 'remove', 'brief')).code).toBe(0);
    await daemon.kill();
    await daemon.start();
    await until(async () => !(await statesOf(daemon)).has('brief'), 'it is gone', 30_000);
    expect(tracesOf(daemon, 'brief')).toEqual([]);
  }, 90_000);
});
