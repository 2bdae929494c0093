import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { AppStatus, Status, TenantStatus } from '../../src/protocol/control.ts';
import { until } from './until.ts';

const root = new URL('../..', import.meta.url).pathname;
const run = promisify(execFile);
/** A daemon that does not end by then is a failed test, and must not stay. */
const stopLimitMs = 30_000;

/** A tenant's files, by path below its folder; a value is a file's text, or `{ copy: folder }`. */
export type TenantFiles = Record<string, string | { copy: string }>;

export interface TestDaemon {
  readonly directory: string;
  readonly configFile: string;
  readonly tenantsDir: string;
  readonly port: number;
  /** 0 without https. */
  readonly httpsPort: number;
  readonly userPrefix: string;
  pid(): number;
  /** Everything it logged so far, one JSON object a line. */
  log(): string;
  /** Starts it (again) over the same folder and waits until it is ready. */
  start(): Promise<void>;
  /** SIGTERM; resolves with its exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL: what it started goes on. */
  kill(): Promise<void>;
  ctl(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }>;
  status(): Promise<Status>;
  tenant(name: string): Promise<TenantStatus>;
  app(tenant: string, app: string): Promise<AppStatus>;
  writeTenant(name: string, files: TenantFiles): void;
  removeTenant(name: string): void;
  /** Where root finds a running tenant's data, logs and all: its disk is mounted for its own sandboxes alone. */
  dataOf(tenant: string): string;
  /** Waits until every named app is in that state. */
  untilApps(apps: readonly string[], state?: string): Promise<void>;
  /** Ends it and whatever is left of it: processes, groups, users, files. Never throws for what is gone already. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface TestDaemonOptions {
  tenants?: Record<string, TenantFiles>;
  /** Appended to tenantd.yaml. */
  config?: string;
  plans?: string;
  /** Listens for https too. */
  https?: boolean;
  /** A command and its first arguments that the daemon's own command line is put behind: `sh -c '...; exec "$@"' sh`. */
  wrapper?: readonly string[];
  /** More uids than the tenants of a test take. */
  uidCount?: number;
}

/** A whole tenantd of its own: built code, real sandboxes, its own folder, users and port. Root only. */
export async function startTestDaemon(options: TestDaemonOptions = {}): Promise<TestDaemon> {
  const daemon = await prepareTestDaemon(options);
  try {
    await daemon.start();
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw error;
  }
  return daemon;
}

export async function prepareTestDaemon({
  tenants = {},
  config = '',
  plans,
  https = false,
  wrapper = [],
  uidCount = 200,
}: TestDaemonOptions = {}): Promise<TestDaemon> {
  const directory = mkdtempSync(join(tmpdir(), 'tenantd-test-'));
  const hash = createHash('sha256').update(directory).digest();
  const userPrefix = `t${hash.toString('hex').slice(0, 5)}-`;
  const firstUid = uidCount === 200 ? 1_000_000 + (hash.readUInt16LE() % 10_000) * 200 : 3_100_000 + hash.readUInt16LE() * 4_096;
  const [port = 0, securePort = 0] = await freePorts(2);
  const httpsPort = https ? securePort : 0;
  const tenantsDir = `${directory}/tenants`;
  const configFile = `${directory}/tenantd.yaml`;
  mkdirSync(tenantsDir);
  const starter = plans ?? 'plans: { starter: { memory: 128M, cpu: 1, processes: 64, requestsPerSecond: 0 } }';
  writeFileSync(
    configFile,
    [
      ...['tenants', 'state', 'run', 'logs'].map((name) => `${name === 'logs' ? 'log' : name}Dir: ${directory}/${name}`),
      `userPrefix: ${userPrefix}`,
      `uids: { first: ${firstUid}, count: ${uidCount} }`,
      `http: { listen: ["127.0.0.1:${port}"] }`,
      ...(https ? [`https: { listen: ["127.0.0.1:${httpsPort}"] }`] : []),
      starter,
      config,
    ].join('\n'),
  );

  let child: ChildProcess | undefined;
  let logged = '';

  async function start(): Promise<void> {
    const from = logged.length;
    const [program, ...args] = [...wrapper, process.execPath, `${root}dist/tenantd.js`, '--config', configFile];
    const started = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: wrapper.length > 0 ? { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } : {},
    });
    child = started;
    for (const stream of [started.stdout, started.stderr]) stream?.on('data', (chunk: Buffer) => (logged += chunk.toString('utf8')));
    await until(() => logged.slice(from).includes('tenantd is ready') || hasEnded(started), 'the daemon is ready', 30_000);
    if (hasEnded(started)) throw new Error(`tenantd ended with ${started.exitCode ?? started.signalCode}:\n${logged.slice(from)}`);
  }

  async function end(signal: NodeJS.Signals): Promise<number | null> {
    if (!child || hasEnded(child)) return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    child.kill(signal);
    const [code] = (await exited) as [number | null];
    return code;
  }

  async function ctl(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    try {
      const done = await run(process.execPath, [`${root}dist/tenantctl.js`, '--config', configFile, ...args], {
        env: { NO_COLOR: '1' },
        maxBuffer: 64 << 20,
      });
      return { code: 0, ...done };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, stdout, stderr };
    }
  }

  async function status(): Promise<Status> {
    const { stdout, stderr, code } = await ctl('status', '--json');
    if (code !== 0) throw new Error(`status failed: ${stdout}${stderr}`);
    return JSON.parse(stdout) as Status;
  }

  async function tenant(name: string): Promise<TenantStatus> {
    const found = (await status()).tenants.find((candidate) => candidate.name === name);
    if (!found) throw new Error(`status shows no tenant ${name}`);
    return found;
  }

  const daemon: TestDaemon = {
    ...{ directory, configFile, tenantsDir, port, httpsPort, userPrefix, start, ctl, status, tenant },
    pid: () => child?.pid ?? 0,
    log: () => logged,
    stop: () => end('SIGTERM'),
    async kill() {
      await end('SIGKILL');
    },
    async app(tenantName, name) {
      const found = (await tenant(tenantName)).apps.find((candidate) => candidate.name === name);
      if (!found) throw new Error(`status shows no app ${tenantName}/${name}`);
      return found;
    },
    writeTenant: (name, files) => writeFiles(`${tenantsDir}/${name}`, files),
    dataOf(tenantName) {
      const pid = monitorOf(`${directory}/run/sandboxes`, tenantName);
      return `/proc/${pid}/root${directory}/state/tenants/${tenantName}/data`;
    },
    removeTenant: (name) => rmSync(`${tenantsDir}/${name}`, { recursive: true }),
    async untilApps(apps, state = 'running') {
      const isThere = async (): Promise<boolean> => {
        const all = (await status()).tenants.flatMap((shown) =>
          shown.apps.map((app) => [`${shown.name}/${app.name}`, app.state] as [string, string]),
        );
        const states = new Map(all);
        return apps.every((name) => states.get(name) === state);
      };
      await until(
        isThere,
        `${apps.join(', ')} ${state}`,
        60_000,
        async () => `${JSON.stringify(await status(), null, 1)}\n${logged.slice(-4_000)}`,
      );
    },
    async [Symbol.asyncDispose]() {
      const timer = setTimeout(() => child?.kill('SIGKILL'), stopLimitMs);
      await end('SIGTERM').finally(() => clearTimeout(timer));
      killLeftovers(directory);
      await removeGroups(`${directory}/state`);
      await removePacketRules(`${directory}/state`, wrapper);
      await removeUsers(userPrefix);
      // Apps make trees that are deeper than any path: rm(1) goes down step by step.
      await run('rm', ['-rf', '--one-file-system', directory]);
    },
  };
  for (const [name, files] of Object.entries(tenants)) daemon.writeTenant(name, files);
  return daemon;
}

/** The example or fixture folder of that path below the repository. */
export function repositoryPath(path: string): string {
  return join(root, path);
}

/** Of the tenant's host: in the mounts that its sandbox was made in. */
function monitorOf(sandboxes: string, tenant: string): number {
  const record = readNames(sandboxes).find((name) => name.startsWith(`h.${tenant}.`) && name.endsWith('.json'));
  const { monitor } = JSON.parse(readFileSync(`${sandboxes}/${record}`, 'utf8')) as { monitor: { pid: number } };
  return monitor.pid;
}

function writeFiles(directory: string, files: TenantFiles): void {
  mkdirSync(directory, { recursive: true });
  for (const [path, content] of Object.entries(files)) {
    const target = join(directory, path);
    mkdirSync(dirname(target), { recursive: true });
    if (typeof content === 'string') writeFileSync(target, content);
    else cpSync(content.copy, target, { recursive: true });
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** What a daemon that was killed for good left: found by the records and status files it wrote into its own folder. */
function killLeftovers(directory: string): void {
  const sandboxes = `${directory}/run/sandboxes`;
  for (const file of readNames(sandboxes).filter((name) => name.endsWith('.status'))) {
    const pid = Number(/"child-pid": (\d+)/.exec(readFileSync(`${sandboxes}/${file}`, 'utf8'))?.[1] ?? 0);
    if (pid > 1 && programOf(pid).startsWith(`${directory}/state/programs/`)) process.kill(pid, 'SIGKILL');
  }
}

/** Of a daemon that was killed for good. Its links are gone with their networks. */
async function removePacketRules(stateDir: string, wrapper: readonly string[]): Promise<void> {
  const name = `tenantd-${createHash('sha256').update(stateDir).digest('hex').slice(0, 8)}`;
  const enter = wrapper[0] === 'nsenter' ? wrapper.slice(1) : ['--'];
  await run('nsenter', [...enter, 'nft', 'delete', 'table', 'inet', name]).catch(() => {}); // there was none
}

/** Empty or not: what was in them is dead, or dying. The daemon names its groups after its state directory. */
async function removeGroups(stateDir: string): Promise<void> {
  const name = `tenantd-${createHash('sha256').update(stateDir).digest('hex').slice(0, 8)}`;
  const hierarchies = ['/sys/fs/cgroup', ...readNames('/sys/fs/cgroup').map((hierarchy) => `/sys/fs/cgroup/${hierarchy}`)];
  const bases = hierarchies.map((hierarchy) => `${hierarchy}/${name}`).filter((base) => existsSync(`${base}/cgroup.procs`));
  await until(() => bases.every(removeGroup), `the control groups ${name} are empty`);
}

function removeGroup(path: string): boolean {
  const children = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  if (!children.every(({ name }) => removeGroup(`${path}/${name}`))) return false;
  try {
    rmdirSync(path);
  } catch {
    return false; // still in use
  }
  return true;
}

function programOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // gone
  }
}

function readNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // never made
  }
}

/** Groups, too: a daemon that was killed between the two may have left one without its user. */
async function removeUsers(prefix: string): Promise<void> {
  for (const name of namesIn('/etc/passwd', prefix)) await run('userdel', [name]);
  for (const name of namesIn('/etc/group', prefix)) await run('groupdel', [name]);
}

function namesIn(file: string, prefix: string): string[] {
  const names = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':')[0] ?? '');
  return names.filter((name) => name.startsWith(prefix));
}

/** Free now, and different; the daemon binds them right after. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => net.createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
