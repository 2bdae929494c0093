import { createLauncher, type Launcher, type LauncherOptions } from './sandboxes.ts';
import { writeSystemCallFilters } from './seccomp-filter.ts';

/** Any that is not root's. */
export interface SandboxUser {
  uid: number;
  gid: number;
}

/** Throws where the kernel has no seccomp, or does not take the program: seen from inside a sandbox. */
export async function openFilteredLauncher(unfiltered: LauncherOptions, directory: string, user: SandboxUser): Promise<Launcher> {
  const launcher = createLauncher({ ...unfiltered, systemCallFilters: writeSystemCallFilters(directory, process.arch) });
  await probeSandbox(launcher, user, ['/bin/grep', '-q', '^Seccomp:[[:space:]]2$', '/proc/self/status']);
  return launcher;
}

/** Throws where no sandbox can be made, or the command fails in it. */
export async function probeSandbox(launcher: Launcher, user: SandboxUser, command: string[]): Promise<void> {
  const id = 'probe';
  launcher.removeFiles(id);
  const spec = {
    id,
    ...user,
    hostname: 'probe',
    env: {},
    binds: [],
    tmpBytes: 1 << 20,
    tmpInodes: 100,
    workingDirectory: '/',
    command,
  };
  const { monitorExited } = await launcher.launch(
    { ...spec, uid: user.uid, gid: user.gid },
    { network: 'machine', controlGroupFiles: [], outOfMemoryScore: 0, output: 'ignore', inherit: [] },
  );
  await monitorExited;
  const code = launcher.exitCodeOf(id);
  launcher.removeFiles(id);
  if (code !== 0) throw new Error(`${command.join(' ')} in a sandbox ended with code ${code ?? 'unknown'}`);
}
