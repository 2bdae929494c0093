import { Socket } from 'node:net';
import { type Duplex, PassThrough } from 'node:stream';
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { errnoOf, TenantdError } from '../base/errors.ts';
import { describeDescriptors, endOf, handTo } from './launch-streams.ts';
import { type LaunchStep, launchCommand, type OwnSocket } from './launch-steps.ts';
import { childrenOf, identifyProcess, namespaceInode, type ProcessIdentity, programOf, signalProcess } from './processes.ts';
import type { Programs } from './programs.ts';
import { assertSandbox, bubblewrapArguments, dropPrivilegesArguments, type SandboxSpec } from './sandbox-arguments.ts';
import type { SystemCallFilters } from './seccomp-filter.ts';
import { ensureEtcDirectory } from './sandbox-etc.ts';
import { shareBinds, type SharedDirectory, shareSteps } from './shares.ts';

/** How a sandbox is started, beside what it is made of. */
export interface LaunchOptions {
  /** A new one with nothing in it; one that is there, as nsenter(1) takes it; or the machine's, where that layer was waived. */
  network: 'empty' | 'machine' | { path: string };
  /** A mount namespace to be made in, as setns(2) takes it: a tenant's, with its disk; default: the machine's. */
  mounts?: { path: string };
  /** Files to write the pid into. */
  controlGroupFiles: readonly string[];
  /** What the kernel's out-of-memory killer adds to the score (proc(5)); 0..1000: to go lower needs a right that containers lack. */
  outOfMemoryScore: number;
  /** Where the command's stdout and stderr go. */
  output: number | 'pipe' | 'ignore';
  /** Made in its network, as its descriptor 3. */
  ownSocket?: OwnSocket;
  /** Directories of other tenants. */
  shares?: readonly SharedDirectory[];
  /** Its descriptor 3 is a connected socket; the other end is `duplex` of what was launched. Not beside `ownSocket`. */
  withDuplex?: boolean;
  /** Its descriptors from 3 on, or after `ownSocket`. */
  inherit: readonly number[];
  /** It may reset connections: no tenant's code, since it could then let others wait (see the rule for setsockopt). */
  mayReset?: boolean;
  /** Read by the command from a pipe, its last descriptor: what must be in no argument and no environment. */
  handOver?: Buffer;
}

/** What runs, and how to know it again after the daemon was restarted. */
export interface SandboxProcesses {
  /** bubblewrap outside: reports the exit code. */
  monitor: ProcessIdentity;
  /** bubblewrap as pid 1 inside: when it is killed, all inside is. */
  reaper: ProcessIdentity;
  pidNamespace: number;
}

export interface LaunchedSandbox extends SandboxProcesses {
  /** Settles when the monitor ended: the command has. */
  monitorExited: Promise<void>;
  /** Settles, after that, when all that was written came, if `output` was 'pipe': when nothing in there lives. */
  printed: Promise<void>;
  stdout: NodeJS.ReadableStream | null;
  duplex: Duplex | null;
  /** What these two are read from. */
  connections: Socket[];
}

export interface Launcher {
  /** Rejects with TENANTD_E_SANDBOX, and what bubblewrap or setpriv said, when the sandbox can not be made. */
  launch(spec: SandboxSpec, options: LaunchOptions): Promise<LaunchedSandbox>;
  /** The exit code that bubblewrap reported, as 128 + signal for a killed command; undefined while it runs. */
  exitCodeOf(id: string): number | undefined;
  removeFiles(id: string): void;
  /** Ends a sandbox of which only the status file is left: the daemon died while it made it. */
  killUnrecorded(id: string): void;
}

export interface LauncherOptions {
  programs: Programs;
  bubblewrap: string;
  /** Holds each sandbox's status and complaints; root's own, as the others. */
  directory: string;
  /** Holds each user's /etc. */
  etcDirectory: string;
  /** An empty directory: where a sandbox's /tmp is mounted before it has a root of its own. */
  scratchDirectory: string;
  /** In each sandbox's /etc/resolv.conf. */
  nameServer?: string;
  /** For every sandbox; without them, that layer is missing. */
  systemCallFilters?: SystemCallFilters;
}

export function createLauncher(options: LauncherOptions): Launcher {
  const { programs, directory } = options;
  const processLimits = processLimitSteps();
  const statusFile = (id: string): string => `${directory}/${id}.status`;
  const complaintFile = (id: string): string => `${directory}/${id}.stderr`;

  function stepsFor({ uid, gid, tmpBytes, tmpInodes }: SandboxSpec, launch: LaunchOptions): LaunchStep[] {
    const { network, mounts, ownSocket } = launch;
    return [
      { do: 'write', file: '/proc/self/oom_score_adj', text: String(launch.outOfMemoryScore) },
      // Nothing of its memory goes into a core dump, to wherever the machine sends them (core(5)).
      { do: 'write', file: '/proc/self/coredump_filter', text: '0' },
      ...launch.controlGroupFiles.map((file): LaunchStep => ({ do: 'write', file, text: '0' })),
      ...processLimits,
      ...networkSteps(network),
      ...(mounts ? [{ do: 'enter', namespace: mounts.path } as const] : []),
      { do: 'new-mounts' },
      { do: 'scratch', directory: options.scratchDirectory, bytes: tmpBytes, inodes: tmpInodes, uid, gid },
      ...shareSteps(launch.shares ?? [], options.scratchDirectory),
      ...(ownSocket ? [{ do: 'own-socket', socket: ownSocket } as const] : []),
    ];
  }

  function openFilter({ owners }: SandboxSpec, { mayReset = false }: LaunchOptions): number | undefined {
    const { systemCallFilters: filters } = options;
    return filters && openSync(owners ? filters.joining : mayReset ? filters.resetting : filters.usual, 'r');
  }

  async function launch(spec: SandboxSpec, launch: LaunchOptions): Promise<LaunchedSandbox> {
    assertSandbox(spec);
    const { uid, gid } = spec;
    const etc = ensureEtcDirectory(options.etcDirectory, { name: 'app', uid, gid, home: spec.env['HOME'] ?? '/' }, options.nameServer);
    const own = { status: openSync(statusFile(spec.id), 'wx', 0o600), complaints: openSync(complaintFile(spec.id), 'w', 0o600) };
    const filter = openFilter(spec, launch);
    const descriptors = describeDescriptors(launch, own.status, filter);
    const { argumentsFd, statusFd, filterFd } = descriptors;
    const bubblewrap = [
      ...[options.bubblewrap, '--json-status-fd', String(statusFd), ...(filterFd === undefined ? [] : ['--seccomp', String(filterFd)])],
      ...['--args', String(argumentsFd), '--', ...dropPrivilegesArguments(spec)],
    ];
    const [program = '', ...args] = launchCommand(programs.perl, stepsFor(spec, launch), bubblewrap);
    const child = spawn(program, args, {
      stdio: ['ignore', launch.output, own.complaints, ...descriptors.stdio],
      env: {},
      cwd: '/',
      detached: true,
    });
    const { exited: monitorExited, printed } = endOf(child);
    for (const fd of [own.status, own.complaints, filter]) if (fd !== undefined) closeSync(fd);
    const scratch = options.scratchDirectory;
    const binds = [...spec.binds, ...shareBinds(launch.shares ?? [], scratch)];
    const bubblewrapWords = bubblewrapArguments({ ...spec, binds }, { etc, scratch });
    handTo(child.stdio[argumentsFd], bubblewrapWords.map((argument) => `${argument}\0`).join(''));
    if (launch.handOver) handTo(child.stdio[descriptors.handOverFd], launch.handOver);
    // At once: what nobody reads when a process ends, Node throws away.
    const stdout = child.stdout?.pipe(new PassThrough()) ?? null;
    const duplex = launch.withDuplex ? (child.stdio[3] as Duplex) : null;
    // Its owner hears of errors once it has it; and Node leaves it alone when the process ends, since somebody seems to read.
    duplex?.on('error', () => {}).on('readable', () => {});
    const processes = await identify(spec.id, child.pid, monitorExited);
    return {
      ...processes,
      monitorExited,
      printed,
      stdout,
      duplex,
      connections: [child.stdout, duplex].filter((end) => end instanceof Socket),
    };
  }

  /**
   * bubblewrap writes its first status line as soon as the namespaces are made; its pid 1 makes the mounts, and only then
   * starts the command as its child.
   */
  async function identify(id: string, monitorPid: number | undefined, monitorExited: Promise<void>): Promise<SandboxProcesses> {
    const monitor = monitorPid === undefined ? undefined : identifyProcess(monitorPid);
    let exited = false;
    void monitorExited.then(() => (exited = true));
    for (;;) {
      const reaperPid = statusOf(id)['child-pid'];
      const reaper = reaperPid === undefined ? undefined : identifyProcess(reaperPid);
      const pidNamespace = reaper && namespaceInode(reaper.pid, 'pid');
      if (monitor && reaper && pidNamespace && hasBegun(reaper)) return { monitor, reaper, pidNamespace };
      if (exited) return identifyEnded(id, monitorPid);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** A command that ended before anyone could look at it is no fault of its sandbox: what failed before it began would have complained. */
  function identifyEnded(id: string, monitorPid: number | undefined): SandboxProcesses {
    const { 'child-pid': reaperPid, 'pid-namespace': pidNamespace, 'exit-code': exitCode } = statusOf(id);
    const wasMade = reaperPid !== undefined && pidNamespace !== undefined && exitCode !== undefined && complaintOf(id) === '';
    if (!wasMade || monitorPid === undefined) throw sandboxError(id);
    return { monitor: { pid: monitorPid, startTicks: gone }, reaper: { pid: reaperPid, startTicks: gone }, pidNamespace };
  }

  function complaintOf(id: string): string {
    return readFileSync(complaintFile(id), 'utf8').trim().slice(0, 1_000);
  }

  function sandboxError(id: string): TenantdError {
    const complaint = complaintOf(id);
    const code = statusOf(id)['exit-code'];
    removeFiles(id);
    const reason = complaint === '' ? `it ended at once${code === undefined ? '' : ` with code ${code}`}` : complaint;
    return new TenantdError(
      'TENANTD_E_SANDBOX',
      `the sandbox could not be made: ${reason}`,
      'see what this machine offers: namespaces, bubblewrap and control groups',
    );
  }

  function statusOf(id: string): SandboxStatus {
    try {
      return parseStatus(readFileSync(statusFile(id), 'utf8'));
    } catch (error) {
      // Somebody removed the run directory: what runs can be ended all the same.
      if (errnoOf(error) === 'ENOENT') return {};
      throw error;
    }
  }

  function removeFiles(id: string): void {
    for (const file of [statusFile(id), complaintFile(id)]) rmSync(file, { force: true });
  }

  function killUnrecorded(id: string): void {
    const pid = statusOf(id)['child-pid'];
    const reaper = pid === undefined ? undefined : identifyProcess(pid);
    // The pid may be somebody else's by now: only our copy of bubblewrap, or the one before it ("... (deleted)"), runs under that path.
    if (reaper && programOf(reaper.pid)?.startsWith(options.bubblewrap)) signalProcess(reaper, 'SIGKILL');
  }

  return { launch, exitCodeOf: (id) => statusOf(id)['exit-code'], removeFiles, killUnrecorded };
}

function networkSteps(network: LaunchOptions['network']): LaunchStep[] {
  if (network === 'machine') return [];
  return network === 'empty' ? [{ do: 'new-network' }] : [{ do: 'enter', namespace: network.path }];
}

/** Never above what this process has: raising takes a right that containers lack (setrlimit(2)). */
function processLimitSteps(): LaunchStep[] {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const atMost = (name: string, wanted: number): number => {
    const hard = new RegExp(`^${name} +\\S+ +(\\S+)`, 'm').exec(limits)?.[1];
    return hard === undefined || hard === 'unlimited' ? wanted : Math.min(wanted, Number(hard));
  };
  const openFiles = atMost('Max open files', 65_536);
  const lockedBytes = atMost('Max locked memory', 65_536);
  return [
    { do: 'limit', resource: 'core', soft: 0, hard: 0 },
    { do: 'limit', resource: 'message-queues', soft: 0, hard: 0 },
    { do: 'limit', resource: 'locked-memory', soft: lockedBytes, hard: lockedBytes },
    { do: 'limit', resource: 'open-files', soft: Math.min(8_192, openFiles), hard: openFiles },
  ];
}

function hasBegun(reaper: ProcessIdentity): boolean {
  return childrenOf(reaper.pid).length > 0;
}

/** Start of a process that has ended: no living one is the same. */
const gone = -1;

interface SandboxStatus {
  'child-pid'?: number;
  'pid-namespace'?: number;
  'exit-code'?: number;
}

/** One JSON object a line; the last may be half written. Written by bubblewrap, into a file that only root can open. */
function parseStatus(text: string): SandboxStatus {
  const lines = text
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.startsWith('{'));
  return Object.assign({}, ...lines.map((line) => JSON.parse(line) as object)) as SandboxStatus;
}

/** The sandbox's command, as the first child of the reaper; undefined until it is started, and after it ended. */
export function commandOf(sandbox: SandboxProcesses): ProcessIdentity | undefined {
  const [pid] = childrenOf(sandbox.reaper.pid);
  return pid === undefined ? undefined : identifyProcess(pid);
}

/** Still the sandbox that was recorded: same pid, start and pid namespace. */
export function isSandboxAlive(sandbox: SandboxProcesses): boolean {
  const now = identifyProcess(sandbox.reaper.pid);
  return now?.startTicks === sandbox.reaper.startTicks && namespaceInode(now.pid, 'pid') === sandbox.pidNamespace;
}

/** Ends all inside at once. */
export function killSandbox(sandbox: SandboxProcesses): void {
  signalProcess(sandbox.reaper, 'SIGKILL');
}
