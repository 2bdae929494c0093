import { existsSync } from 'node:fs';
import { isAbsolute, normalize } from 'node:path';
import { TenantdError } from '../base/errors.ts';
import { loaderVariables } from '../base/loader-variables.ts';

/** A directory or file of the machine, seen inside the sandbox. `source` is a name that no tenant can write. */
export interface Bind {
  source: string;
  target: string;
  access: 'read' | 'write';
}

/** What a sandbox is made of. The privileged side checks it again: see `assertSandbox`. */
export interface SandboxSpec {
  /** Names the sandbox's files in the daemon's run directory: `[a-z0-9.-]`, at most 80 characters. */
  id: string;
  uid: number;
  gid: number;
  hostname: string;
  env: Readonly<Record<string, string>>;
  binds: readonly Bind[];
  /** Of /tmp, /dev/shm and /run/secrets together. */
  tmpBytes: number;
  tmpInodes: number;
  /** Has `/run/secrets`, which its user can write. */
  withSecrets?: boolean;
  workingDirectory: string;
  command: readonly string[];
  /** It may give files from one of these users to another: its descriptor `fd` is their namespace (`snapshot-owners`). */
  owners?: { fd: number; uids: readonly number[] };
}

/** Where tenantd's own files are inside every sandbox. */
export const sandboxLib = '/opt/tenantd/lib';
export const sandboxNode = '/opt/tenantd/bin/node';
export const sandboxPath = '/opt/tenantd/bin:/usr/local/bin:/usr/bin:/bin';

const idPattern = /^[a-z0-9][a-z0-9.-]{0,79}$/;
const hostnamePattern = /^[a-z0-9][a-z0-9-]{0,62}$/;
const envNamePattern = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** Throws TENANTD_E_INTERNAL when a caller asks for something that no sandbox of ours may be. */
export function assertSandbox(spec: SandboxSpec): void {
  const faults = [
    !idPattern.test(spec.id) && `id ${spec.id}`,
    !hostnamePattern.test(spec.hostname) && `hostname ${spec.hostname}`,
    !(Number.isSafeInteger(spec.uid) && spec.uid >= 100) && `uid ${spec.uid}`,
    !(Number.isSafeInteger(spec.gid) && spec.gid >= 100) && `gid ${spec.gid}`,
    !(Number.isSafeInteger(spec.tmpBytes) && spec.tmpBytes > 0) && `tmpBytes ${spec.tmpBytes}`,
    !(Number.isSafeInteger(spec.tmpInodes) && spec.tmpInodes > 8) && `tmpInodes ${spec.tmpInodes}`,
    spec.command.length === 0 && 'an empty command',
    ...[...spec.binds.flatMap(({ source, target }) => [source, target]), spec.workingDirectory].map(
      (path) => !isPlain(path) && `path ${path}`,
    ),
    ...Object.keys(spec.env).map((name) => (!envNamePattern.test(name) || loaderVariables.test(name)) && `environment variable ${name}`),
    ...[...spec.command, ...Object.values(spec.env)].map((text) => text.includes('\0') && 'a NUL character'),
  ].filter((fault) => fault !== false);
  if (faults.length > 0)
    throw new TenantdError(
      'TENANTD_E_INTERNAL',
      `refused to make a sandbox with ${faults.join(', ')}`,
      'report this as a fault of tenantd',
    );
}

/** bwrap(1) arguments, for `--args FD`: on a command line they would show the machine's paths in the sandbox's /proc/1/cmdline. */
export function bubblewrapArguments(spec: SandboxSpec, { etc, scratch }: { etc: string; scratch: string }): string[] {
  const secrets: Bind[] = spec.withSecrets ? [{ source: `${scratch}/secrets`, target: '/run/secrets', access: 'write' }] : [];
  return [
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup', '--new-session'],
    ...['--hostname', spec.hostname, '--clearenv'],
    ...Object.entries(spec.env).flatMap(([name, value]) => ['--setenv', name, value]),
    ...systemArguments(etc),
    ...['--proc', '/proc', ...maskedProcFiles.flatMap((file) => ['--ro-bind', '/dev/null', file])],
    ...maskedProcFolders.flatMap((folder) => ['--tmpfs', folder, '--remount-ro', folder]),
    ...['--dev', '/dev', '--dev-bind', `${scratch}/pts`, '/dev/pts'],
    ...['--bind', `${scratch}/shm`, '/dev/shm', '--bind', `${scratch}/tmp`, '/tmp'],
    ...bindArguments([...spec.binds, ...secrets]),
    ...['--remount-ro', '/dev', '--remount-ro', '/', '--chdir', spec.workingDirectory],
    // What setpriv needs to drop the rest.
    ...['--cap-drop', 'ALL', ...['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP'].flatMap((capability) => ['--cap-add', capability])],
  ];
}

/** Inside the sandbox: drop everything, then become the command, with stderr where stdout goes. */
export function dropPrivilegesArguments(spec: SandboxSpec): string[] {
  if (spec.owners) return joinOwnersArguments(spec.command, spec.owners);
  const drop = ['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--no-new-privs', '--clear-groups'];
  const user = ['--reuid', String(spec.uid), '--regid', String(spec.gid)];
  // bubblewrap sets PWD; up to here stderr is the daemon's, which tells why a sandbox could not be made.
  const become = ['/bin/sh', '-c', 'unset PWD; exec "$@" 2>&1', 'sh', ...spec.command];
  return ['/usr/bin/setpriv', ...drop, ...user, '--', ...become];
}

/** The first of them is the root user of their namespace: of that one's rights only those over files are kept. */
function joinOwnersArguments(command: readonly string[], { fd, uids }: NonNullable<SandboxSpec['owners']>): string[] {
  const groups = uids.map((_, index) => index).join(',');
  return [
    ...['/usr/bin/nsenter', `--user=/proc/self/fd/${fd}`, '--setuid', '0', '--setgid', '0', '--'],
    ...['/usr/bin/setpriv', '--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all,+chown,+dac_override,+fowner'],
    ...['--no-new-privs', '--groups', groups, '--'],
    ...['/bin/sh', '-c', `unset PWD; exec ${fd}<&-; exec "$@" 2>&1`, 'sh', ...command],
  ];
}

/** Of the machine, not of the app: kernel addresses, keys, how it was booted. */
const maskedProcFiles = [
  'kcore',
  'keys',
  'key-users',
  'kallsyms',
  'kmsg',
  'timer_list',
  'sched_debug',
  'schedstat',
  'cmdline',
  'config.gz',
  'modules',
  'sysrq-trigger',
]
  .map((name) => `/proc/${name}`)
  .filter((path) => existsSync(path));

/** How busy the machine is, to be watched by whoever opens it for writing. */
const maskedProcFolders = ['/proc/pressure'].filter((path) => existsSync(path));

function systemArguments(etcDirectory: string): string[] {
  return [
    ...['--ro-bind', '/usr', '/usr', '--tmpfs', '/usr/local', '--remount-ro', '/usr/local'],
    ...['bin', 'sbin', 'lib', 'lib64'].flatMap((name) => ['--symlink', `usr/${name}`, `/${name}`]),
    ...['--ro-bind', etcDirectory, '/etc'],
    ...['ssl/certs', 'ssl/openssl.cnf', 'ld.so.cache', 'alternatives', 'localtime'].flatMap((name) => [
      '--ro-bind-try',
      `/etc/${name}`,
      `/etc/${name}`,
    ]),
  ];
}

/** Parents of targets are made by name: bubblewrap run by root would make them 0700. */
function bindArguments(binds: readonly Bind[]): string[] {
  const parents = new Set(binds.flatMap(({ target }) => parentsOf(target)));
  const covered = (path: string): boolean => binds.some(({ target }) => path === target || path.startsWith(`${target}/`));
  return [
    ...[...parents].flatMap((path) => (covered(path) || path === '/tmp' ? [] : ['--perms', '0755', '--dir', path])),
    ...binds.flatMap(({ source, target, access }) => [access === 'read' ? '--ro-bind' : '--bind', source, target]),
  ];
}

function parentsOf(path: string): string[] {
  const parts = path.split('/').slice(1, -1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
}

function isPlain(path: string): boolean {
  return isAbsolute(path) && normalize(path) === path && !path.includes('\0');
}
