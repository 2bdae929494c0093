import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repositoryPath } from '../support/test-daemon.ts';

const exec = promisify(execFile);

/** Its units start when their program is of use; what it is asked for is written down. */
const systemctl = `#!/bin/sh
echo "systemctl $*" >>/run/calls
case "$1 $2" in
  'is-active '*) test -e /run/active ;;
  'restart tenantd.service' | 'start tenantd.service')
    rm -f /run/active
    ! grep -q 'of no use' /usr/lib/tenantd/current/lib/tenantd.js && touch /run/active ;;
  'stop '*) rm -f /run/active ;;
  'show --property=LoadState') test -e "/usr/lib/systemd/system/$4" && echo loaded || echo not-found ;;
esac
`;

/** As the machine is, with an /etc, /usr, /srv, /var and /run of its own over it, in memory. */
const mounts = `set -eu
mount -t tmpfs none "$1"
for name in etc usr srv var; do
  mkdir "$1/$name" "$1/$name.work"
  mount -t overlay -o "lowerdir=/$name,upperdir=$1/$name,workdir=$1/$name.work" none "/$name"
done
mount -t tmpfs none /run
mkdir -p /run/systemd/system
rm -rf /etc/tenantd /usr/lib/tenantd
printf '%s' "$2" >/usr/bin/systemctl
printf '#!/bin/sh\\necho said by the service\\n' >/usr/bin/journalctl
chmod 755 /usr/bin/systemctl /usr/bin/journalctl
echo ready
exec sleep infinity
`;

export interface Ran {
  code: number;
  output: string;
}

export interface InstallWorld {
  /** A release of that version; its Node is a link to this one. `isBroken`: its daemon ends at once. */
  release(version: string, isBroken?: boolean): Promise<string>;
  run(program: string, ...args: string[]): Promise<Ran>;
  /** What systemctl was asked to do since the last time. */
  calls(): Promise<string[]>;
  read(file: string): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function makeInstallWorld(): Promise<InstallWorld> {
  const directory = mkdtempSync(join(tmpdir(), 'tenantd-install-'));
  const holder = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', mounts, 'sh', directory, systemctl], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Outside of it, where it is only a folder.
  const releases = mkdtempSync(join(tmpdir(), 'tenantd-releases-'));
  chmodSync(releases, 0o755);
  await Promise.race([
    once(holder.stdout, 'data'),
    once(holder, 'exit').then(() => Promise.reject(new Error('the world could not be made'))),
  ]);

  async function run(program: string, ...args: string[]): Promise<Ran> {
    try {
      const running = exec('nsenter', ['--mount', `--target=${holder.pid}`, '--', program, ...args], { maxBuffer: 16 << 20 });
      // Nobody answers questions.
      running.child.stdin?.end();
      const { stdout, stderr } = await running;
      return { code: 0, output: stdout + stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, output: stdout + stderr };
    }
  }

  return {
    run,
    async release(version, isBroken = false) {
      const folder = join(releases, version);
      await exec(repositoryPath('scripts/pack'), ['--stage', folder]);
      rmSync(`${folder}/bin/node`);
      writeFileSync(`${folder}/bin/node`, `#!/bin/sh\nexec ${process.execPath} "$@"\n`, { mode: 0o755 });
      writeFileSync(`${folder}/build`, `${version}-00000000\n`);
      if (isBroken) writeFileSync(`${folder}/lib/tenantd.js`, 'throw new Error("of no use");\n');
      return folder;
    },
    async calls() {
      const { output } = await run('sh', '-c', 'cat /run/calls 2>/dev/null; rm -f /run/calls');
      return output
        .trim()
        .split('\n')
        .filter((line) => line !== '' && !line.includes('is-active'));
    },
    read: async (file) => (await run('cat', file)).output,
    async [Symbol.asyncDispose]() {
      const ended = once(holder, 'exit');
      holder.kill('SIGKILL');
      await ended;
      for (const folder of [directory, releases]) rmSync(folder, { recursive: true, force: true });
    },
  };
}
