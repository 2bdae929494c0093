import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createChannel } from '../../src/protocol/channel.ts';
import type { VerifyResult } from '../../src/protocol/verify.ts';
import { repositoryPath, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { ask, leftovers } from './backup-support.ts';

interface Count {
  count: number;
  longestPauseMs: number;
}

interface Checked {
  integrity: string;
  a: { rows: number; most: number };
  b: { rows: number; most: number };
}

const host = 'acme.localhost';
const counter = { copy: repositoryPath('test/fixtures/apps/counts-in-sqlite') };
const plans = `plans:
  starter: { memory: 256M, cpu: 2, processes: 64, requestsPerSecond: 0 }
  tiny: { memory: 128M, disk: 8M, requestsPerSecond: 0 }
`;

/** Of each process, at which it is killed: spread over what it takes. */
const moments = 6;

describe('a backup', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    const tenants = { acme: { 'tenant.yaml': `domains: [${host}]\nidle: never\n`, 'apps/site': counter } };
    daemon = await startTestDaemon({ tenants, plans, uidCount: 4_000 });
    await daemon.untilApps(['acme/site']);
    await ask(daemon, host, '/fill');
  }, 60_000);
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  const fileOf = (name: string): string => `${daemon.directory}/${name}.backup`;
  const check = async (at: string): Promise<Checked> => JSON.parse(await ask(daemon, at, '/check')) as Checked;
  const count = async (): Promise<Count> => JSON.parse(await ask(daemon, host, '/count')) as Count;
  const restore = (name: string, ...more: string[]) =>
    daemon.ctl('tenant', 'restore', fileOf('acme'), '--as', name, '--domain', `${name}.localhost`, '--json', ...more);

  test('of an app that writes all the time is one moment of it', async () => {
    await ask(daemon, host, '/start');
    const before = await count();
    const { code, stdout } = await daemon.ctl('tenant', 'backup', 'acme', fileOf('acme'), '--json');
    const after = await count();
    await ask(daemon, host, '/stop');
    expect({ code, stdout }).toMatchObject({ code: 0 });
    expect(JSON.parse(stdout)).toMatchObject({ pauseMs: expect.any(Number) as unknown, leftOut: { count: 0 } });
    expect(after.count).toBeGreaterThan(before.count);
    expect(await restore('copy')).toMatchObject({ code: 0 });
    await daemon.untilApps(['copy/site']);
    const copied = await check('copy.localhost');
    expect(copied.integrity).toBe('ok');
    expect(copied.a).toEqual(copied.b);
    expect(copied.a.rows).toBe(copied.a.most);
    expect(copied.a.most).toBeGreaterThanOrEqual(before.count);
    expect(copied.a.most).toBeLessThanOrEqual(after.count);
    expect((await daemon.ctl('tenant', 'remove', 'copy', '--now', '--yes')).code).toBe(0);
    expect(leftovers(daemon, 'copy')).toEqual([]);
  }, 120_000);

  test('of a tenant that sleeps does not wake it', async () => {
    daemon.writeTenant('sleeper', { 'tenant.yaml': 'domains: [sleeper.localhost]\nidle: 1s\n', 'apps/site': counter });
    await daemon.untilApps(['sleeper/site'], 'sleeping');
    const { code, stdout } = await daemon.ctl('tenant', 'backup', 'sleeper', fileOf('sleeper'), '--json');
    expect({ code, stdout }).toMatchObject({ code: 0 });
    expect((await daemon.tenant('sleeper')).state).toBe('sleeping');
    expect(JSON.parse(stdout)).toMatchObject({ data: { files: expect.any(Number) as unknown }, pauseMs: expect.any(Number) as unknown });
  }, 60_000);

  test('keeps to what its job was promised, and lets no other begin', async () => {
    const channel = createChannel({ stream: connect(`${daemon.directory}/run/control/operator.sock`), handlers: {} });
    const { stream } = await channel.upgrade('tenant-backup', { tenant: 'acme' });
    // Nobody reads on, once it has begun: so it lasts.
    stream.on('error', () => {}).once('data', () => stream.pause());
    const isPacking = (): boolean => readdirSync(`${daemon.directory}/run/sandboxes`).some((name) => /^k\..*\.json$/.test(name));
    await until(isPacking, 'a job packs');
    const verified = JSON.parse((await daemon.ctl('verify', '--passive', '--json')).stdout) as VerifyResult;
    const ofJob = verified.checks.filter(({ subject }) => subject.startsWith('job k.acme.'));
    expect(verified.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(ofJob.find(({ id }) => id === 'user.capabilities')?.actual).toContain('CapEff 000000000000000b');
    expect((await daemon.ctl('tenant', 'backup', 'acme', fileOf('second'))).stderr).toContain('a backup of acme is under way');
    stream.destroy();
    await until(() => leftovers(daemon, 'nobody').length === 0, 'nothing is left of it', 20_000);
  }, 60_000);

  test('is not seen by its tenant', async () => {
    const { stdout } = await daemon.ctl(
      'exec',
      'acme',
      '--',
      'sh',
      '-c',
      'ls -d /in /var/lib/tenantd /proc/1/root/in; find / -name "*.img" -not -path "/usr/*" 2>/dev/null; true',
    );
    expect(stdout).not.toMatch(/img|in$/m);
  }, 60_000);

  test('that does not fit into the plan it is to have is refused, and leaves nothing', async () => {
    const { code, stdout } = await restore('tight', '--plan', 'tiny');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'TENANTD_E_BACKUP', message: 'there is no room for its files' } });
    expect(leftovers(daemon, 'tight')).toEqual([]);
  }, 60_000);

  test.each(['daemon', 'client', 'job', 'all'])(
    'whose %s is killed at any moment is whole or not there, and its tenant goes on',
    async (whose) => {
      const wholeOnes = [];
      for (let moment = 0; moment < moments; moment++) {
        const name = `cut-${whose}-${moment}`;
        const client = startClient(daemon, 'tenant', 'backup', 'acme', fileOf(name));
        await killAfter(daemon, whose, client, moment * 120);
        if (whose === 'daemon' || whose === 'all') await daemon.start();
        await daemon.untilApps(['acme/site']);
        expect(await ask(daemon, host, '/write')).toBe('written');
        if (existsSync(fileOf(name))) wholeOnes.push((await daemon.ctl('tenant', 'restore', fileOf(name), '--check')).code);
        await until(
          () => leftovers(daemon, 'nobody').length === 0,
          'nothing is left of it',
          20_000,
          () => Promise.resolve(leftovers(daemon, 'nobody').join('\n')),
        );
      }
      expect(new Set(wholeOnes).size).toBeLessThan(2);
      expect(wholeOnes.every((code) => code === 0)).toBe(true);
    },
    240_000,
  );

  test.each(['daemon', 'client', 'job'])(
    'whose restore loses its %s at any moment is a tenant, or nothing',
    async (whose) => {
      const outcomes = new Set<string>();
      for (let moment = 0; moment < moments; moment++) {
        const name = `made-${whose}-${moment}`;
        const args = ['tenant', 'restore', fileOf('acme'), '--as', name, '--domain', `${name}.localhost`];
        const client = startClient(daemon, ...args);
        await killAfter(daemon, whose, client, moment * 300);
        if (whose === 'daemon') await daemon.start();
        outcomes.add(await outcomeOf(name));
      }
      expect([...outcomes].every((outcome) => outcome === 'nothing' || outcome === 'a tenant')).toBe(true);
      expect(outcomes).toContain('nothing');
    },
    360_000,
  );

  async function outcomeOf(name: string): Promise<string> {
    const tenants = () => daemon.status().then(({ tenants: all }) => all.find((tenant) => tenant.name === name));
    const isSettled = async (): Promise<boolean> => {
      const tenant = await tenants();
      return tenant?.state === 'running' || (tenant === undefined && leftovers(daemon, name).length === 0);
    };
    await until(
      isSettled,
      `${name} is there or not`,
      60_000,
      async () => `${JSON.stringify(await tenants())}\n${leftovers(daemon, name).join('\n')}`,
    );
    if (!(await tenants())) return 'nothing';
    const { integrity, a, b } = await check(`${name}.localhost`);
    const isWhole = integrity === 'ok' && a.rows === b.rows && a.rows > 0;
    expect((await daemon.ctl('tenant', 'remove', name, '--now', '--yes')).code).toBe(0);
    return isWhole ? 'a tenant' : 'a part of one';
  }
});

function startClient(daemon: TestDaemon, ...args: string[]): ChildProcess {
  const command = [repositoryPath('dist/tenantctl.js'), '--config', daemon.configFile, ...args];
  return spawn(process.execPath, command, { env: { NO_COLOR: '1' }, stdio: 'ignore' });
}

/** The moment is whatever has been reached by then. */
async function killAfter(daemon: TestDaemon, whose: string, client: ChildProcess, afterMs: number): Promise<void> {
  const exited = once(client, 'exit');
  const killing = new Promise<void>((resolve) => {
    setTimeout(() => {
      if (whose === 'client' || whose === 'all') client.kill('SIGKILL');
      if (whose === 'job' || whose === 'all') killJobs(daemon);
      if (whose === 'daemon' || whose === 'all') void daemon.kill().then(resolve);
      else resolve();
    }, 150 + afterMs);
  });
  await killing;
  await exited;
}

/** Jobs of backups: by their records; and what copies disks, by its image. */
function killJobs({ directory }: TestDaemon): void {
  const sandboxes = `${directory}/run/sandboxes`;
  for (const name of readdirSync(sandboxes).filter((file) => file.startsWith('k.') && file.endsWith('.json'))) {
    const { reaper } = JSON.parse(readFileSync(`${sandboxes}/${name}`, 'utf8')) as { reaper: { pid: number } };
    process.kill(reaper.pid, 'SIGKILL');
  }
  const copying = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8', maxBuffer: 64 << 20 })
    .split('\n')
    .filter((line) => line.includes(`${directory}/state/snapshots/`));
  for (const line of copying) {
    try {
      process.kill(Number.parseInt(line, 10), 'SIGKILL');
    } catch {
      // it has ended
    }
  }
}
