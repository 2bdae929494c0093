import { lstatSync, rmdirSync, unlinkSync } from 'node:fs';
import { assertPlainPath } from './directories.ts';
import { type Programs, runProgram } from './programs.ts';

const timeLimitMs = 6 * 3_600_000;
/** What cp needs to read what is closed, and to give each copy its owner and mode. No device can be made. */
const capabilities = ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_FSETID'];

const ownMounts = { path: '/proc/self/ns/mnt' };

/** Where in which mounts. */
interface Place {
  mounts: { path: string };
  from: string;
  to: string;
}

export interface TreeTools {
  programs: Programs;
  /** Our copy of it. */
  bubblewrap: string;
}

/**
 * Copies all that tenants put into one directory to another, owners, links and times kept. Nobody may change either meanwhile. Root does
 * it in a sandbox that sees the two, and /usr: there is nowhere for a link to lead (Invariant 1).
 */
export async function copyTree(tools: TreeTools, place: Place): Promise<void> {
  await runBeside(tools, place, ['/usr/bin/cp', '--archive', '--', '/from/.', '/to/']);
}

/**
 * Removes a directory with all that tenants made of it, however deep it is and however it is closed; what is none, too. Its parent must be
 * a directory that only root can write, and nothing of the tenant may live.
 */
export async function removeTree(tools: TreeTools, path: string): Promise<void> {
  assertPlainPath(path);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isDirectory()) return unlinkSync(path);
  const empty = [
    '/usr/bin/find',
    '/to',
    '-mindepth',
    '1',
    '-maxdepth',
    '1',
    '-exec',
    '/usr/bin/rm',
    '-rf',
    '--one-file-system',
    '--',
    '{}',
    '+',
  ];
  await runBeside(tools, { mounts: ownMounts, from: path, to: path }, empty);
  rmdirSync(path);
}

/** How much lies in a directory. */
export async function measureTree(tools: TreeTools, from: string): Promise<{ bytes: number; files: number }> {
  const script = 'du --summarize --block-size=1 /from && du --summarize --inodes /from';
  const output = await runBeside(tools, { mounts: ownMounts, from, to: from }, ['/usr/bin/sh', '-c', script]);
  const [bytes = 0, files = 0] = output.split('\n').map((line) => Number.parseInt(line, 10));
  return { bytes, files };
}

async function runBeside({ programs, bubblewrap }: TreeTools, { mounts, from, to }: Place, command: readonly string[]): Promise<string> {
  for (const path of [from, to]) assertPlainPath(path);
  const sandbox = [
    // Not users: in a namespace of them it could not give files away.
    ...[
      '--unshare-pid',
      '--unshare-net',
      '--unshare-ipc',
      '--unshare-uts',
      '--unshare-cgroup',
      '--new-session',
      '--die-with-parent',
      '--clearenv',
      '--setenv',
      'PATH',
      '/usr/bin',
      '--cap-drop',
      'ALL',
    ],
    ...capabilities.flatMap((capability) => ['--cap-add', capability]),
    ...['--ro-bind', '/usr', '/usr', ...['bin', 'lib', 'lib64'].flatMap((name) => ['--symlink', `usr/${name}`, `/${name}`])],
    ...['--ro-bind', from, '/from', '--bind', to, '/to', '--proc', '/proc'],
  ];
  return runProgram(programs.nsenter, [`--mount=${mounts.path}`, '--', bubblewrap, ...sandbox, '--', ...command], timeLimitMs).catch(
    (error: { stderr?: string }) => {
      throw new Error((error.stderr ?? 'it could not be started').trim().slice(-300));
    },
  );
}
