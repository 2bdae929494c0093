// Runs in the virtual machine, once a boot, as root: what an operator would do, and what must come of it.
import { existsSync, writeFileSync } from 'node:fs';
import { firstBoot } from './first-boot.ts';
import { secondBoot } from './second-boot.ts';
import { attempt } from './commands.ts';
import { report, runSteps, type Step } from './steps.ts';

const [releaseDir = '', extent = 'full'] = process.argv.slice(2);
/** For a first boot on which the second one can build. */
const short = ['installs from the packed release', 'serves tenants', 'an app falls asleep'];
const mark = '/var/lib/vm-test.rebooted';
const isFirst = !existsSync(mark);

const ok = await runSteps(isFirst ? firstSteps() : secondBoot(releaseDir));
if (!ok) report({ step: 'what the units said', ok: true, detail: await lastWords(), ms: 0 });
if (isFirst && ok) {
  writeFileSync(mark, '');
  await attempt('systemctl', 'reboot');
} else {
  report({ step: 'end', ok, detail: '', ms: 0 });
  await attempt('systemctl', 'poweroff');
}

function firstSteps(): Record<string, Step> {
  const steps = Object.entries(firstBoot(releaseDir));
  return Object.fromEntries(extent === 'full' ? steps : steps.filter(([name]) => short.some((words) => name.startsWith(words))));
}

async function lastWords(): Promise<string> {
  const units = ['--unit', 'tenantd', '--unit', 'tenantd-tenants'];
  return (await attempt('journalctl', '--no-pager', '--lines', '80', '--output', 'short-monotonic', ...units)).output;
}
