import { PassThrough } from 'node:stream';
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { errnoOf, TenantdError } from '../base/errors.ts';
import { bindOwnSocketCommand, type OwnSocket } from './own-socket.ts';
import { childrenOf, identifyProcess, namespaceInode, type ProcessIdentity, programOf, signalProcess } from './processes.ts';
import type { Programs } from './programs.ts';
import { assertSandbox, bubblewrapArguments, dropPrivilegesArguments, type SandboxSpec } from './sandbox-arguments.ts';
import { ensureEtcDirectory } from './sandbox-etc.ts';

/** How a sandbox is started, beside what it is made of. */
export interface LaunchOptions {
  /** A new one with nothing in it; one that is there, as nsenter(1) takes it; or the machine's, where that layer was waived. */
  network: 'empty' | 'machine' | { path: string };
  /** Files to write the pid into. */
  controlGroupFiles: readonly string[];
  /** What the kernel's out-of-memory killer adds to the score (proc(5)); 0..1000: to go lower needs a right that containers lack. */
  outOfMemoryScore: number;
  /** Where the command's stdout and stderr go. */
  output: number | 'pipe' | 'ignore';
  /** Made in its network, as its descriptor 3. */
  ownSocket?: OwnSocket;
  /** Its descriptors from 3 on, or after `ownSocket`. */
  inherit: readonly number[];
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
  /** Settles when the monitor ended, with what the command wrote if `output` was 'pipe'. */
  monitorExited: Promise<void>;
  stdout: NodeJS.ReadableStream | null;
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

// $1 is the out-of-memory score; then files to join until `--`; then the command.
const joinScript = 'echo "$1" > /proc/self/oom_score_adj; shift; while [ "$1" != -- ]; do echo 0 > "$1"; shift; done; shift; exec "$@"';

/** `directory` holds each sandbox's status and complaints; `etcDirectory` their /etc. Both are root's own. */
export function createLauncher(options: { programs: Programs; bubblewrap: string; directory: string; etcDirectory: string }): Launcher {
  const { programs, directory } = options;
  const processLimits = processLimitArguments();
  const statusFile = (id: string): string => `${directory}/${id}.status`;
  const complaintFile = (id: string): string => `${directory}/${id}.stderr`;

  function commandFor(spec: SandboxSpec, launch: LaunchOptions, argsFd: number, statusFd: number): string[] {
    return [
      ...[programs.sh, '-ec', joinScript, 'join', String(launch.outOfMemoryScore), ...launch.controlGroupFiles, '--'],
      ...[programs.prlimit, ...processLimits, '--'],
      ...networkCommand(programs, launch.network),
      ...(launch.ownSocket ? bindOwnSocketCommand(programs.perl, launch.ownSocket) : []),
      ...[options.bubblewrap, '--json-status-fd', String(statusFd), '--args', String(argsFd), '--'],
      ...dropPrivilegesArguments(spec),
    ];
  }

  async function launch(spec: SandboxSpec, launch: LaunchOptions): Promise<LaunchedSandbox> {
    assertSandbox(spec);
    const etc = ensureEtcDirectory(options.etcDirectory, { name: 'app', uid: spec.uid, gid: spec.gid, home: spec.env['HOME'] ?? '/' });
    const status = openSync(statusFile(spec.id), 'wx', 0o600);
    const complaints = openSync(complaintFile(spec.id), 'w', 0o600);
    const inherit = [...(launch.ownSocket ? (['ignore'] as const) : []), ...launch.inherit];
    const argsFd = 3 + inherit.length;
    const [program = '', ...args] = commandFor(spec, launch, argsFd, argsFd + 1);
    const child = spawn(program, args, {
      stdio: ['ignore', launch.output, complaints, ...inherit, 'pipe', status],
      env: {},
      cwd: '/',
      detached: true,
    });
    const monitorExited = new Promise<void>((resolve) => {
      child.once('close', () => resolve());
      child.once('error', () => resolve());
    });
    closeSync(status);
    closeSync(complaints);
    const argsPipe = child.stdio[argsFd];
    // It may die before it has read them; then it says why in its complaints.
    argsPipe?.on('error', () => {});
    if (argsPipe && 'end' in argsPipe)
      argsPipe.end(
        bubblewrapArguments(spec, etc)
          .map((argument) => `${argument}\0`)
          .join(''),
      );
    // At once: what nobody reads when a process ends, Node throws away.
    const stdout = child.stdout?.pipe(new PassThrough()) ?? null;
    const processes = await identify(spec.id, child.pid, monitorExited);
    return { ...processes, monitorExited, stdout };
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

function networkCommand(programs: Programs, network: LaunchOptions['network']): string[] {
  if (network === 'machine') return [];
  return network === 'empty' ? [programs.unshare, '--net', '--'] : [programs.nsenter, `--net=${network.path}`, '--'];
}

/** prlimit(1) options. Never above what this process has: raising takes a right that containers lack. */
function processLimitArguments(): string[] {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const atMost = (name: string, wanted: number): number => {
    const hard = new RegExp(`^${name} +\\S+ +(\\S+)`, 'm').exec(limits)?.[1];
    return hard === undefined || hard === 'unlimited' ? wanted : Math.min(wanted, Number(hard));
  };
  const openFiles = atMost('Max open files', 65_536);
  const lockedBytes = atMost('Max locked memory', 65_536);
  return ['--core=0:0', '--msgqueue=0:0', `--memlock=${lockedBytes}:${lockedBytes}`, `--nofile=${Math.min(8_192, openFiles)}:${openFiles}`];
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
