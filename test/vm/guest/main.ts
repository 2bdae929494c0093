// Runs in the virtual machine, once a boot, as root: what an operator would do, and what must come of it.
import { existsSync, writeFileSync } from 'node:fs';
import { firstBoot } from './first-boot.ts';
import { secondBoot } from './second-boot.ts';
import { attempt } from './commands.ts';
import { report, runSteps } from './steps.ts';

const [releaseDir = ''] = process.argv.slice(2);
const mark = '/var/lib/vm-test.rebooted';
const isFirst = !existsSync(mark);

const ok = await runSteps(isFirst ? firstBoot(releaseDir) : secondBoot(releaseDir));
if (!ok) report({ step: 'what the units said', ok: true, detail: await lastWords(), ms: 0 });
if (isFirst && ok) {
  writeFileSync(mark, '');
  await attempt('systemctl', 'reboot');
} else {
  report({ step: 'end', ok, detail: '', ms: 0 });
  await attempt('systemctl', 'poweroff');
}

async function lastWords(): Promise<string> {
  const units = ['--unit', 'tenantd', '--unit', 'tenantd-tenants'];
  return (await attempt('journalctl', '--no-pager', '--lines', '80', '--output', 'short-monotonic', ...units)).output;
}
