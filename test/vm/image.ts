import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = new URL('../..', import.meta.url).pathname;

/** What tenantd's installer asks for is here, since the machine has no network, and what makes it a machine. */
const packages = [
  ...['systemd', 'systemd-sysv', 'dbus', 'udev', 'kmod', 'linux-image-cloud-amd64'],
  ...[
    'bubblewrap',
    'ca-certificates',
    'e2fsprogs',
    'iproute2',
    'libatomic1',
    'mount',
    'nftables',
    'passwd',
    'perl-base',
    'procps',
    'util-linux',
  ],
];
const suite = 'bookworm';
const imageBytes = '3G';

export interface Image {
  disk: string;
  kernel: string;
  initrd: string;
}

const unitOf = (extent: string): string => `[Unit]
Description=the test
After=multi-user.target
# One that can not even start.
FailureAction=poweroff
[Service]
Type=oneshot
ExecStart=/root/release/bin/node /opt/vm-test/test/vm/guest/main.ts /root/release ${extent}
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
TimeoutStartSec=infinity
`;
/** Not wanted by the target that it waits for. */
const timer = '[Timer]\nOnBootSec=1\nAccuracySec=1\n[Install]\nWantedBy=timers.target\n';

/** A Debian that was never booted, with an unpacked release in /root/release, and the test. In `directory`, which is emptied. */
export async function makeImage(
  { cacheDir, directory, release, extent }: { cacheDir: string; directory: string; release: string; extent: 'full' | 'short' },
  say: (text: string) => void,
): Promise<Image> {
  const tree = join(directory, 'tree');
  mkdirSync(tree, { recursive: true });
  await run('tar', ['-C', tree, '-xf', await baseSystem(cacheDir, say)]);
  await run('tar', ['-C', join(tree, 'root'), '-xzf', release]);
  renameSync(join(tree, 'root/package'), join(tree, 'root/release'));
  for (const part of ['test/vm/guest', 'test/support/until.ts'])
    cpSync(join(root, part), join(tree, 'opt/vm-test', part), { recursive: true });
  writeFileSync(join(tree, 'opt/vm-test/package.json'), '{ "type": "module" }');
  mkdirSync(join(tree, 'var/log/journal'), { recursive: true });
  writeFileSync(join(tree, 'etc/hostname'), 'tenantd-test\n');
  writeFileSync(join(tree, 'etc/systemd/system/vm-test.service'), unitOf(extent));
  writeFileSync(join(tree, 'etc/systemd/system/vm-test.timer'), timer);
  mkdirSync(join(tree, 'etc/systemd/system/timers.target.wants'), { recursive: true });
  // The line is the test's.
  symlinkSync('/dev/null', join(tree, 'etc/systemd/system/serial-getty@ttyS0.service'));
  symlinkSync('../vm-test.timer', join(tree, 'etc/systemd/system/timers.target.wants/vm-test.timer'));
  const boot = (name: string): string => {
    const file = readdirSync(join(tree, 'boot')).find((entry) => entry.startsWith(`${name}-`)) ?? '';
    const copy = join(directory, name);
    cpSync(join(tree, 'boot', file), copy);
    return copy;
  };
  const [kernel, initrd] = [boot('vmlinuz'), boot('initrd.img')];
  const disk = join(directory, 'disk.img');
  await run('mke2fs', ['-q', '-t', 'ext4', '-d', tree, disk, imageBytes]);
  rmSync(tree, { recursive: true });
  return { disk, kernel, initrd };
}

/** Made once: it takes a minute, and a mirror. */
async function baseSystem(cacheDir: string, say: (text: string) => void): Promise<string> {
  const hash = createHash('sha256')
    .update(`${suite} ${packages.join(' ')}`)
    .digest('hex')
    .slice(0, 12);
  const file = join(cacheDir, `base-${hash}.tar`);
  if (existsSync(file)) return file;
  say(`making a Debian of ${packages.length} packages, in ${file}`);
  // Its name says what is to be made.
  const unfinished = join(cacheDir, 'unfinished.tar');
  await run('mmdebstrap', ['--variant=minbase', `--include=${packages.join(',')}`, suite, unfinished], { maxBuffer: 16 << 20 });
  renameSync(unfinished, file);
  return file;
}
