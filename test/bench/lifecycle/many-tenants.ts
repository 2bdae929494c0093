// How tenantd bears many tenants: its start with 1,000 that sleep, one tenant's change, memory by process, and the time in which a
// new daemon takes 100 running tenants up after SIGKILL. Root, over built code:
// `node scripts/build.ts; node test/bench/lifecycle/many-tenants.ts [--sleeping 1000] [--running 100] [--json]`.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { createPaths } from '../../../src/daemon/paths.ts';
import { openState } from '../../../src/daemon/state.ts';
import { request } from '../../support/client.ts';
import { prepareTestDaemon, type TestDaemon } from '../../support/test-daemon.ts';
import { until } from '../../support/until.ts';

const { values } = parseArgs({
  options: {
    sleeping: { type: 'string', default: '1000' },
    running: { type: 'string', default: '100' },
    json: { type: 'boolean', default: false },
  },
});
const figures: Record<string, number> = {};
const app = `require('node:http').createServer((request, response) => response.end('I am ' + process.env.TENANTD_TENANT)).listen(3000);`;
const quiet = { debug() {}, info() {}, warn() {}, error: console.error };

await benchSleeping(Number(values.sleeping));
await benchRunning(Number(values.running));
if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`);

function note(name: string, value: number, unit: string): void {
  figures[`${name} (${unit})`] = Math.round(value * 100) / 100;
  if (!values.json) process.stdout.write(`${name.padEnd(64)} ${value.toFixed(value < 100 ? 1 : 0).padStart(9)} ${unit}\n`);
}

async function benchSleeping(count: number): Promise<void> {
  if (count === 0) return;
  await using empty = await prepareTestDaemon();
  note('start of the daemon without tenants', await timed(() => empty.start()), 'ms');
  const before = await settledMemoryOf(empty);
  await empty.stop();

  await using daemon = await prepareTestDaemon({ uidCount: 8_192 });
  const names = Array.from({ length: count }, (_, index) => `sleeper${index}`);
  for (const name of names) writeTenant(daemon, name, [`${name}.test`, `www.${name}.test`]);
  await putToSleep(daemon, names);
  note(`first start with ${count} sleeping tenants`, await timed(() => daemon.start()), 'ms');
  await daemon.stop();
  note(`start with ${count} sleeping tenants, after an orderly end`, await timed(() => daemon.start()), 'ms');
  await daemon.kill();
  note(`start with ${count} sleeping tenants, after SIGKILL`, await timed(() => daemon.start()), 'ms');
  const asleep = (await daemon.status()).tenants.filter(({ state }) => state === 'sleeping').length;
  note('  of which sleep', asleep, 'tenants');
  await measureChanges(daemon, names);
  const after = await settledMemoryOf(daemon);
  for (const part of ['daemon', 'edge'] as const)
    note(`memory of a sleeping tenant in the ${part}`, (after[part] - before[part]) / 1_024 / count, 'KiB');
  note('  daemon', after.daemon / 2 ** 20, 'MiB');
  note('  edge master and edge', after.edge / 2 ** 20, 'MiB');
}

/** From the moment that a file is changed to the answer of the edge that shows it. */
async function measureChanges(daemon: TestDaemon, names: readonly string[]): Promise<void> {
  const times: number[] = [];
  for (const name of names.slice(0, 10)) {
    const host = `new.${name}.test`;
    writeFileSync(`${daemon.tenantsDir}/${name}/tenant.yaml`, tenantFile([`${name}.test`, host]));
    // A known tenant's path without an app: nothing is woken.
    const isKnown = async (): Promise<boolean> => (await request(daemon.port, { host })).status === 404;
    times.push(await timed(() => until(isKnown, `${host} is known`)));
  }
  note('one tenant changed on disk, seen by a client (median)', median(times), 'ms');
  const reload: number[] = [];
  for (let round = 0; round < 5; round++) reload.push(await timed(() => daemon.ctl('reload')));
  note('tenantctl reload, nothing changed (median)', median(reload), 'ms');
  note('tenantctl status', await timed(() => daemon.status()), 'ms');
}

async function benchRunning(count: number): Promise<void> {
  if (count === 0) return;
  await using daemon = await prepareTestDaemon({ uidCount: 8_192 });
  const names = Array.from({ length: count }, (_, index) => `runner${index}`);
  for (const name of names) writeTenant(daemon, name, [`${name}.test`], 'never');
  note(`start with ${count} new tenants, all serving`, await timed(() => startAll(daemon, names)), 'ms');
  const pids = await workerPids(daemon);
  await daemon.kill();
  const startedAtMs = Date.now();
  note(`start of the daemon over ${count} running tenants, after SIGKILL`, await timed(() => daemon.start()), 'ms');
  note(`  until all of them were taken up`, takenUpAtMs(daemon) - startedAtMs, 'ms');
  await untilRunning(daemon, names.length);
  const kept = (await workerPids(daemon)).filter((pid) => pids.includes(pid)).length;
  note('  workers that went on', kept, `of ${pids.length}`);
}

async function startAll(daemon: TestDaemon, names: readonly string[]): Promise<void> {
  await daemon.start();
  await untilRunning(daemon, names.length);
}

async function untilRunning(daemon: TestDaemon, count: number): Promise<void> {
  const isServing = async (): Promise<boolean> => (await workerPids(daemon)).length === count;
  await until(isServing, `${count} workers run`, 600_000);
}

async function workerPids(daemon: TestDaemon): Promise<number[]> {
  const { tenants } = await daemon.status();
  return tenants.flatMap(({ apps }) => apps.flatMap(({ workers }) => workers.map(({ pid }) => pid)));
}

function takenUpAtMs(daemon: TestDaemon): number {
  const line =
    daemon
      .log()
      .split('\n')
      .findLast((text) => text.includes('took up what runs already')) ?? '{}';
  return Date.parse((JSON.parse(line) as { time: string }).time);
}

function writeTenant(daemon: TestDaemon, name: string, domains: readonly string[], idle = '10m'): void {
  daemon.writeTenant(name, {
    'tenant.yaml': `${tenantFile(domains)}idle: ${idle}\n`,
    'apps/site/package.json': '{ "main": "server.js" }',
    'apps/site/server.js': app,
  });
}

function tenantFile(domains: readonly string[]): string {
  return `domains: [${domains.join(', ')}]\nplan: starter\ntls: { redirect: false }\n`;
}

/** As a daemon leaves the state store in which they fell asleep. */
async function putToSleep(daemon: TestDaemon, names: readonly string[]): Promise<void> {
  const dir = (name: string): string => `${daemon.directory}/${name}`;
  const paths = createPaths({ tenantsDir: daemon.tenantsDir, stateDir: dir('state'), runDir: dir('run'), logDir: dir('logs') });
  for (const folder of [paths.stateDir, paths.runDir]) mkdirSync(folder, { recursive: true });
  const first = Number(/first: (\d+)/.exec(readFileSync(daemon.configFile, 'utf8'))?.[1]);
  const state = openState({ files: paths.state, uids: { first, count: 8_192, isTaken: () => false }, log: quiet });
  const site = 'site' as AppName;
  const manifestOf = (name: string): object => ({
    routes: [{ host: `${name}.test`, path: '/app' }],
    ...{ kind: 'node', entry: 'server.js', workers: { min: 1, max: 1 }, env: {}, drainMs: 30_000, startTimeoutMs: 60_000 },
    ...{ compress: true, sandbox: 'default', schedule: [] },
  });
  for (const name of names as TenantName[]) {
    for (const owner of ['', site] as const) state.store.uidOf(name, owner);
    state.store.setConfigTexts([[name, `${tenantFile([`${name}.test`, `www.${name}.test`])}idle: 10m\n`]]);
    state.store.setApp(name, site, { manifest: manifestOf(name), generationKey: 'before', generation: 1, release: 'local' });
    state.store.lifecycle.setAsleep(name, site, Date.now());
  }
  await state.close();
}

/** A daemon gives back what its start took, some seconds later. */
async function settledMemoryOf(daemon: TestDaemon): Promise<{ daemon: number; edge: number }> {
  await delay(8_000);
  return memoryOf(daemon);
}

/** Proportional set sizes: what is shared counts once. */
function memoryOf(daemon: TestDaemon): { daemon: number; edge: number } {
  const edges = readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && isEdgeOf(daemon, pid));
  return { daemon: pssOf(daemon.pid()), edge: edges.reduce((sum, pid) => sum + pssOf(pid), 0) };
}

/** Below the daemon's own bubblewrap. */
function isEdgeOf(daemon: TestDaemon, pid: number): boolean {
  if (!readProc(pid, 'cmdline').includes('/lib/edge.js')) return false;
  for (let parent = pid; parent > 1; parent = Number(/^PPid:\s+(\d+)/m.exec(readProc(parent, 'status'))?.[1] ?? 0))
    if (readProc(parent, 'cmdline').startsWith(`${daemon.directory}/state/programs/`)) return true;
  return false;
}

function pssOf(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readProc(pid, 'smaps_rollup'))?.[1] ?? 0) * 1_024;
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return ''; // it ended
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}
