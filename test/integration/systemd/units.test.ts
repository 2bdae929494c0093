import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';

const run = promisify(execFile);
const root = new URL('../../..', import.meta.url).pathname;
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const units = readdirSync(join(root, 'systemd')).filter((name) => name.endsWith('.service'));

/** The units as they are, but for the programs: those are not installed here. */
function unitsWithPrograms(): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'tenantd-units-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  cpSync(join(root, 'systemd'), directory, { recursive: true });
  return units.map((name) => {
    const file = join(directory, name);
    writeFileSync(file, read(`systemd/${name}`).replaceAll('/usr/lib/tenantd/current/bin/node', '/bin/true'));
    return file;
  });
}

test('systemd understands every line of the units', async () => {
  expect(units).toEqual(['tenantd-tenants.service', 'tenantd.service']);
  const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', ...unitsWithPrograms()]);
  expect(stdout + stderr).toBe('');
});

test('the hardening of the daemon is not less than the documentation says', async () => {
  const stated = Number(/`systemd-analyze security`: (\d\.\d)/.exec(read('README.md'))?.[1]);
  const args = ['security', '--offline=true', '--no-pager', ...unitsWithPrograms().slice(1)];
  const { stdout } = await run('systemd-analyze', args, { env: { ...process.env, LC_ALL: 'C.UTF-8' } });
  expect(Number(/exposure level for \S+: (\d+\.\d)/.exec(stdout)?.[1])).toBe(stated);
});

test('what a unit names is there: options, the holder, its group', () => {
  const unit = read('systemd/tenantd.service');
  const [start = ''] = /^ExecStart=.*$/m.exec(unit) ?? [];
  const usage = read('src/daemon/main.ts');
  const options = start.match(/--[a-z-]+/g) ?? [];
  expect(options).toContain('--keep-tenants');
  expect(options.filter((option) => !usage.includes(`  ${option}`))).toEqual([]);
  expect(unit).toContain('Environment=TENANTD_CGROUP=/sys/fs/cgroup/system.slice/tenantd-tenants.service\n');
  expect(read('systemd/tenantd-tenants.service')).toContain('Slice=system.slice\n');
});

test('each user of tenantd is made at the installation, too', () => {
  const files = readdirSync(join(root, 'src/daemon')).map((name) => read(`src/daemon/${name}`));
  const used = files.flatMap((text) => (text.includes('makeServiceUser') ? (text.match(/(?<=')tenantd-[a-z]+(?=')/g) ?? []) : []));
  expect(used.length).toBeGreaterThan(2);
  const made = [...read('systemd/sysusers.d/tenantd.conf').matchAll(/^u (\S+)/gm)].map(([, name]) => name);
  expect(new Set(made)).toEqual(new Set(used));
});
