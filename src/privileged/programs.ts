import { execFile } from 'node:child_process';
import { constants, copyFileSync, accessSync, chmodSync, renameSync, rmSync } from 'node:fs';
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
  sh: 'dash',
  perl: 'perl-base',
  useradd: 'passwd',
  groupadd: 'passwd',
} as const;

type ProgramName = keyof typeof packages;
export type Programs = Readonly<Record<ProgramName, string>>;

const searchPath = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const run = promisify(execFile);

/** Throws TENANTD_E_PROGRAM_MISSING, naming every missing program and the packages that have them. */
export function findPrograms(): Programs {
  const found = Object.keys(packages).map((name) => [name, searchPath.map((dir) => `${dir}/${name}`).find(isExecutable)] as const);
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
  const copy = `${directory}/bwrap`;
  rmSync(`${copy}.new`, { force: true });
  copyFileSync(programs.bwrap, `${copy}.new`, constants.COPYFILE_EXCL);
  chmodSync(`${copy}.new`, 0o755);
  renameSync(`${copy}.new`, copy);
  return copy;
}

/** Runs a program of ours with an empty environment; rejects with what it wrote to stderr. */
export async function runProgram(path: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(path, args, { env: { PATH: searchPath.join(':'), LC_ALL: 'C' }, timeout: 20_000, maxBuffer: 1 << 20 });
  return stdout;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // looked for in the next folder; findPrograms reports what is nowhere
  }
}
