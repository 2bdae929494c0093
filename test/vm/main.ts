// Boots a Debian with a real systemd in a virtual machine, installs the packed release there, and tries its whole life. No network: the machine
// has its loopback alone.
import { execFile, spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs, promisify } from 'node:util';
import { resultPrefix, type StepResult } from './guest/steps.ts';
import { type Image, makeImage } from './image.ts';

const root = new URL('../..', import.meta.url).pathname;
const run = promisify(execFile);
const usage = `usage: npm run test:vm -- [--cache DIR] [--release FILE] [--accelerator tcg|kvm] [--minutes N] [--short] [--verbose]

  --cache DIR      where the Debian is kept between runs (default: .cache)
  --release FILE   a tarball of scripts/pack (default: made from this checkout)
  --accelerator    tcg is software emulation, and runs anywhere (default); kvm is ten times as fast
  --minutes N      ends the machine after that time (default: 30)
  --short          installation, reboot and removal alone
  --verbose        prints all that the machine prints
`;

const { values } = parseArgs({
  options: {
    cache: { type: 'string', default: join(root, '.cache') },
    release: { type: 'string' },
    accelerator: { type: 'string', default: 'tcg' },
    minutes: { type: 'string', default: '30' },
    short: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}

const missing = whatIsMissing();
if (missing.length > 0) {
  say(`SKIPPED: nothing was tested under systemd. This machine lacks ${missing.join(', ')}.`);
  process.exit(0);
}
mkdirSync(values.cache, { recursive: true });
const directory = mkdtempSync(join(values.cache, 'vm-'));
try {
  const release = values.release ?? (await packRelease(directory));
  const image = await makeImage({ cacheDir: values.cache, directory, release, extent: values.short ? 'short' : 'full' }, say);
  process.exitCode = (await boot(image)) ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true });
}

function whatIsMissing(): string[] {
  const paths = (process.env['PATH'] ?? '').split(':').concat('/usr/sbin');
  const programs = ['mmdebstrap', 'qemu-system-x86_64', 'mke2fs', 'tar'].filter((name) => !paths.some((path) => canRun(join(path, name))));
  const fix = '(apt-get install mmdebstrap qemu-system-x86 e2fsprogs)';
  return [
    ...programs.map((name) => `${name} ${fix}`),
    ...(process.getuid?.() === 0 ? [] : ['root, to make an image with the devices and owners of a Debian']),
    ...(process.arch === 'x64' ? [] : ['an x86_64 processor']),
  ];
}

function canRun(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false; // looked for in the next folder
  }
}

async function packRelease(folder: string): Promise<string> {
  say('packing this checkout');
  const { stdout } = await run(join(root, 'scripts/pack'), ['--output', folder]);
  return join(folder, stdout.trim().split('\n').at(-1) ?? '');
}

/** Answers whether all steps of both boots went well. */
async function boot({ disk, kernel, initrd }: Image): Promise<boolean> {
  say(`booting, with ${values.accelerator}`);
  const quiet = 'quiet systemd.show_status=0 panic=-1 mitigations=off';
  const qemu = spawn(
    'qemu-system-x86_64',
    [
      ...['-M', 'q35', ...processor(values.accelerator)],
      ...['-smp', '2', '-m', '3G', '-nodefaults', '-display', 'none', '-serial', 'stdio', '-nic', 'none'],
      ...['-kernel', kernel, '-initrd', initrd, '-append', `root=/dev/vda rw console=ttyS0 ${quiet}`],
      ...['-drive', `file=${disk},format=raw,if=virtio,cache=unsafe`],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const timer = setTimeout(
    () => {
      say(`it did not end within ${values.minutes} minutes`);
      qemu.kill('SIGKILL');
    },
    Number(values.minutes) * 60_000,
  );
  let outcome: boolean | undefined;
  for await (const line of createInterface({ input: qemu.stdout })) {
    if (values.verbose) process.stdout.write(`  | ${line}\n`);
    const at = line.indexOf(resultPrefix);
    if (at < 0) continue;
    const result = JSON.parse(line.slice(at + resultPrefix.length)) as StepResult;
    if (result.step === 'end') outcome = result.ok;
    else print(result);
  }
  clearTimeout(timer);
  if (outcome === undefined) say('the machine went down before the test had ended; try --verbose');
  return outcome ?? false;
}

/** Emulated, AVX costs more than it saves, and QEMU 7.2 has it wrong in places. */
function processor(accelerator: string): string[] {
  return accelerator === 'tcg' ? ['-accel', 'tcg,thread=multi', '-cpu', 'Nehalem'] : ['-accel', accelerator, '-cpu', 'max'];
}

function print({ step, ok, detail, ms }: StepResult): void {
  const lines = detail === '' ? '' : `\n     ${detail.replaceAll('\n', '\n     ')}`;
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${step} (${(ms / 1_000).toFixed(1)} s)${lines}\n`);
}

function say(text: string): void {
  process.stdout.write(`vm: ${text}\n`);
}
