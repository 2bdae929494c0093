import { execFile } from 'node:child_process';
import { constants, copyFileSync, accessSync, chmodSync, existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { promisify } from 'node:util';
import { TenantdError } from '../base/errors.ts';

/** Programs of the distribution that root runs, with the Debian package of each. Looked up once, by absolute path. */
const packages = {
  bwrap: 'bubblewrap',
  setpriv: 'util-linux',
  prlimit: 'util-linux',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  ip: 'iproute2',
  mkfifo: 'coreutils',
  cp: 'coreutils',
  mke2fs: 'e2fsprogs',
  e2fsck: 'e2fsprogs',
  resize2fs: 'e2fsprogs',
  sh: 'dash',
  perl: 'perl-base',
  useradd: 'passwd',
  groupadd: 'passwd',
  userdel: 'passwd',
  groupdel: 'passwd',
} as const;

type ProgramName = keyof typeof packages;
export type Programs = Readonly<Record<ProgramName, string>>;

/** Its name, in the directory for programs of our own. */
export const bubblewrapCopy = 'bwrap';
const searchPath = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const run = promisify(execFile);

/** Throws TENANTD_E_PROGRAM_MISSING, naming every missing program and the packages that have them. */
export function findPrograms(): Programs {
  const found = Object.keys(packages).map((name) => [name, findProgram(name)] as const);
  const missing = found.filter(([, path]) => path === undefined).map(([name]) => name as ProgramName);
  if (missing.length > 0) {
    const wanted = [...new Set(missing.map((name) => packages[name]))].join(' ');
    throw new TenantdError('TENANTD_E_PROGRAM_MISSING', `not installed: ${missing.join(', ')}`, `apt-get install ${wanted}`);
  }
  return Object.fromEntries(found) as Programs;
}

/**
 * A copy of bubblewrap under a path of our own: newer Ubuntu has an AppArmor profile for /usr/bin/bwrap that takes all
 * capabilities from its children, and setpriv needs them.
 */
export function copyBubblewrap(programs: Programs, directory: string): string {
  const copy = `${directory}/${bubblewrapCopy}`;
  rmSync(`${copy}.new`, { force: true });
  // On a full disk there is no room for another.
  if (existsSync(copy) && readFileSync(copy).equals(readFileSync(programs.bwrap))) return copy;
  copyFileSync(programs.bwrap, `${copy}.new`, constants.COPYFILE_EXCL);
  chmodSync(`${copy}.new`, 0o755);
  renameSync(`${copy}.new`, copy);
  return copy;
}

/** One that only some tenants need. Throws TENANTD_E_PROGRAM_MISSING. */
export function findOptionalProgram(name: string, debianPackage: string): string {
  const path = findProgram(name);
  if (path !== undefined) return path;
  throw new TenantdError('TENANTD_E_PROGRAM_MISSING', `not installed: ${name}`, `apt-get install ${debianPackage}`);
}

const surroundings = { env: { PATH: searchPath.join(':'), LC_ALL: 'C' } };

/** Runs a program of ours with an empty environment; rejects with what it wrote to stderr. */
export async function runProgram(path: string, args: readonly string[], timeLimitMs = 20_000): Promise<string> {
  const { stdout } = await run(path, args, { ...surroundings, timeout: timeLimitMs, maxBuffer: 1 << 20 });
  return stdout;
}

/** As `runProgram`, with `input` on its stdin. What a thousand tenants' rules are, listed, may be large. */
export async function feedProgram(path: string, args: readonly string[], input: string): Promise<string> {
  const running = run(path, args, { ...surroundings, timeout: 60_000, maxBuffer: 256 << 20 });
  // One that ends before it has read all says on its stderr why.
  running.child.stdin?.on('error', () => {}).end(input);
  const { stdout } = await running;
  return stdout;
}

function findProgram(name: string): string | undefined {
  return searchPath.map((directory) => `${directory}/${name}`).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // looked for in the next folder; findPrograms reports what is nowhere
  }
}
