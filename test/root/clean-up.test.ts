import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { ask, pidOf, probeTenant } from './probe.ts';

const apps = ['alpha/site', 'alpha/shop', 'beta/site'];

async function startBusyDaemon(): Promise<TestDaemon> {
  const daemon = await startTestDaemon({
    https: true,
    tenants: { alpha: probeTenant('alpha', ['site', 'shop']), beta: probeTenant('beta') },
  });
  await daemon.untilApps(apps);
  await until(async () => (await daemon.status()).edge.processes.length > 0, 'an edge runs');
  return daemon;
}

/** All that a daemon has on the machine beside its files: looked for by what the kernel knows, not by what the daemon says. */
async function footprintOf(daemon: TestDaemon) {
  const pids = [...(await Promise.all(apps.map((app) => pidOf(daemon, app)))), (await daemon.status()).edge.processes[0]?.pid ?? 0];
  const networks = pids.map((pid) => readlinkSync(`/proc/${pid}/ns/net`));
  return { networks: new Set(networks), groups: groupsOf(pids), pids };
}

/** The daemon's own group in each hierarchy: the first part of the path of a worker's. */
function groupsOf(pids: number[]): string[] {
  const names = pids.map((pid) => /\/(tenantd-[0-9a-f]{8})\//.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1]);
  const name = names.find((found) => found !== undefined) ?? 'none';
  const hierarchies = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((hierarchy) => `/sys/fs/cgroup/${hierarchy}`)];
  return hierarchies.map((hierarchy) => `${hierarchy}/${name}`).filter((path) => existsSync(path));
}

function livingPids(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid);
}

/** Processes that run a program of the daemon's folder, or hold a network, mount or folder of its. */
function processesOf(daemon: TestDaemon, networks: ReadonlySet<string>): number[] {
  return livingPids().filter((pid) => {
    const facts = [read(`/proc/${pid}/cmdline`), link(`/proc/${pid}/exe`), link(`/proc/${pid}/cwd`)].join(' ');
    return (
      facts.includes(daemon.directory) ||
      networks.has(link(`/proc/${pid}/ns/net`)) ||
      read(`/proc/${pid}/mountinfo`).includes(daemon.directory)
    );
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // gone meanwhile
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // gone meanwhile
  }
}

/** Sockets and FIFOs below the daemon's run directory, whatever their names. */
function socketsAndPipes(daemon: TestDaemon): string[] {
  return readdirSync(`${daemon.directory}/run`, { recursive: true, encoding: 'utf8' })
    .map((name) => join(daemon.directory, 'run', name))
    .filter((path) => {
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat !== undefined && (stat.isSocket() || stat.isFIFO());
    });
}

function usersOf(daemon: TestDaemon): string[] {
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(daemon.userPrefix));
}

describe('what is left on the machine', () => {
  test('after a stop: no process, group, network, mount, socket or pipe; users stay, for their uids are never used again', async () => {
    await using daemon = await startBusyDaemon();
    const { networks, groups, pids } = await footprintOf(daemon);
    // There is something to be left.
    expect(networks.size).toBe(3);
    expect(groups.length).toBeGreaterThan(0);
    expect(pids.every((pid) => existsSync(`/proc/${pid}`))).toBe(true);
    expect(processesOf(daemon, networks).length).toBeGreaterThan(8);
    expect(socketsAndPipes(daemon).length).toBeGreaterThan(6);

    expect(await daemon.stop()).toBe(0);

    expect(processesOf(daemon, networks)).toEqual([]);
    expect(groups.filter((path) => existsSync(path))).toEqual([]);
    expect(read('/proc/self/mountinfo')).not.toContain(daemon.directory);
    expect(socketsAndPipes(daemon)).toEqual([]);
    expect(readdirSync(`${daemon.directory}/run/sandboxes`)).toEqual([]);
    expect(existsSync(`${daemon.directory}/run/tenantd.pid`)).toBe(false);
    expect(usersOf(daemon)).toHaveLength(2);
  });

  test('after a stop while apps hold on: they ignore SIGTERM, have children, and are starting', async () => {
    await using daemon = await startBusyDaemon();
    const { networks, groups } = await footprintOf(daemon);
    await ask(daemon, 'alpha/site', 'forkMany', { input: { keep: true } });
    daemon.writeTenant('beta', {
      'apps/deaf/app.yaml': 'kind: node\nentry: deaf.js\ndrain: 1s\nroutes: ["beta.test/deaf"]\n',
      'apps/deaf/deaf.js': `process.on('SIGTERM', () => {}); require('node:http').createServer((_, a) => a.end()).listen(1); setInterval(() => {}, 1e6);`,
      'apps/slow/app.yaml': 'kind: node\nentry: slow.js\ndrain: 1s\nroutes: ["beta.test/slow"]\n',
      'apps/slow/slow.js': 'setInterval(() => {}, 1e6);',
    });
    await daemon.untilApps(['beta/deaf']);
    expect(await daemon.stop()).toBe(0);
    expect(processesOf(daemon, networks)).toEqual([]);
    expect(groups.filter((path) => existsSync(path))).toEqual([]);
    expect(socketsAndPipes(daemon)).toEqual([]);
  });

  test('after one tenant was removed: nothing of it, all of the others', async () => {
    await using daemon = await startBusyDaemon();
    const beta = await pidOf(daemon, 'beta/site');
    const network = readlinkSync(`/proc/${await pidOf(daemon, 'alpha/site')}/ns/net`);
    const groups = groupsOf([beta]);
    daemon.removeTenant('alpha');
    await until(async () => (await daemon.status()).tenants.length === 1, 'the tenant is gone');
    expect(processesOf(daemon, new Set()).filter((pid) => link(`/proc/${pid}/ns/net`) === network)).toEqual([]);
    for (const group of groups) expect(readdirSync(group).filter((name) => name.startsWith('t-'))).toEqual(['t-beta']);
    for (const folder of ['sockets', 'pipes', 'hosts']) expect(readdirSync(`${daemon.directory}/run/${folder}`)).toEqual(['beta']);
    expect(await pidOf(daemon, 'beta/site')).toBe(beta);
  });

  test('after the daemon was killed: everything, until the next daemon stops it', async () => {
    await using daemon = await startBusyDaemon();
    const { networks, groups, pids } = await footprintOf(daemon);
    await daemon.kill();
    expect(pids.filter((pid) => !existsSync(`/proc/${pid}`))).toEqual([]);
    await daemon.start();
    expect(await daemon.stop()).toBe(0);
    expect(processesOf(daemon, networks)).toEqual([]);
    expect(groups.filter((path) => existsSync(path))).toEqual([]);
    expect(socketsAndPipes(daemon)).toEqual([]);
  });

  test('after these tests killed a daemon for good: nothing, users and files included', async () => {
    const daemon = await startBusyDaemon();
    const { networks, groups, pids } = await footprintOf(daemon);
    await daemon.kill();
    expect(pids.filter((pid) => !existsSync(`/proc/${pid}`))).toEqual([]);
    await daemon[Symbol.asyncDispose]();
    await until(() => processesOf(daemon, networks).length === 0, 'the last processes are gone');
    expect(groups.filter((path) => existsSync(path))).toEqual([]);
    expect(usersOf(daemon)).toEqual([]);
    expect(existsSync(daemon.directory)).toBe(false);
  });
});
