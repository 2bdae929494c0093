import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeDiskImage } from '../../src/privileged/disk-images.ts';
import { closeDisk, mountDisk, type MountedDisk } from '../../src/privileged/mount-namespaces.ts';
import { findPrograms } from '../../src/privileged/programs.ts';
import { copyDisk } from '../../src/privileged/snapshots.ts';
import { until } from '../support/until.ts';

const programs = findPrograms();
const freeze = `open my $disk, '<&=', 3; ioctl $disk, 0xC0045877, 0 or die "$!\\n"`;
let folder: string;
let mounted: MountedDisk[];

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/tenantd-snapshot-`);
  mkdirSync(`${folder}/point`);
  mounted = [];
});
afterEach(async () => {
  for (const disk of mounted) await closeDisk(disk);
  rmSync(folder, { recursive: true });
});

async function mount(image: string): Promise<MountedDisk> {
  const disk = await mountDisk(programs, `${folder}/${image}`, `${folder}/point`, { uid: 0 });
  mounted.push(disk);
  return disk;
}

/** As others find it. */
const rootOf = ({ root }: MountedDisk): string => `/proc/${process.pid}/fd/${basename(root)}`;
const makeImage = () => makeDiskImage(programs, `${folder}/disk.img`, { bytes: 64 << 20, files: 1_000 });

test('a copy has what was there, also what was written while it was made', async () => {
  await makeImage();
  const disk = await mount('disk.img');
  const writer = spawn('sh', ['-c', 'n=0; while :; do n=$((n+1)); echo $n >> log; echo $n > last; done'], { cwd: rootOf(disk) });
  const ended = once(writer, 'close');
  await until(() => readdirSync(rootOf(disk)).includes('last'), 'something is written');
  const { pauseMs, bytes } = await copyDisk(programs, disk, `${folder}/copy.img`);
  writer.kill('SIGKILL');
  await ended;
  expect(pauseMs).toBeGreaterThanOrEqual(0);
  expect(bytes).toBeGreaterThan(0);
  const copy = await mount('copy.img');
  const lines = readFileSync(`${rootOf(copy)}/log`, 'utf8')
    .trimEnd()
    .split('\n');
  // In order, with none left out.
  expect(lines).toEqual(lines.map((_, index) => String(index + 1)));
  expect(lines.length - Number(readFileSync(`${rootOf(copy)}/last`, 'utf8') || lines.length - 1)).toBeLessThan(2);
}, 60_000);

test('a disk that was left standing still goes on with its next mount', async () => {
  await makeImage();
  const disk = await mount('disk.img');
  execFileSync(programs.perl, ['-e', freeze], { stdio: ['ignore', 'ignore', 'inherit', Number(basename(disk.root))] });
  const writer = spawn('sh', ['-c', 'echo written > file'], { cwd: rootOf(disk) });
  const ended = once(writer, 'close');
  expect(readdirSync(rootOf(disk))).not.toContain('file');
  await mount('disk.img');
  await ended;
  expect(readFileSync(`${rootOf(disk)}/file`, 'utf8')).toBe('written\n');
}, 60_000);

test('a copy that can not be written leaves its disk as it was, and says why', async () => {
  await makeImage();
  const disk = await mount('disk.img');
  await expect(copyDisk(programs, disk, `${folder}/nowhere/copy.img`)).rejects.toThrow('No such file or directory');
  execFileSync('sh', ['-c', 'echo written > file'], { cwd: rootOf(disk), timeout: 10_000 });
}, 60_000);
