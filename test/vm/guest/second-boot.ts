import { readFileSync } from 'node:fs';
import { assert, assertEqual, property, run } from './commands.ts';
import { footprintFile } from './first-boot.ts';
import { differences, footprint, journal, monotonicMs, ownProcesses } from './machine.ts';
import type { Step } from './steps.ts';
import { busySites, sleeper, states } from './tenants.ts';
import { isServed, untilServed } from './visitors.ts';

const limitMs = 240_000;
/** Backups that useradd(8) and the like leave; and this test's own. */
const notOurs =
  /files: .* \/etc\/(?:passwd|group|shadow|gshadow|subuid|subgid)-$|files: .* \/var\/lib\/vm-test|files: .* \/etc\/\.pwd\.lock$|files: .* \/usr\/.*\.cache$/;

export function secondBoot(releaseDir: string): Record<string, Step> {
  const data = ['/srv/tenantd/tenants/acme', '/var/lib/tenantd/state.db', '/etc/tenantd/tenantd.yaml'];

  return {
    'the machine went down in order': async () => {
      const said = await journal(-1);
      assert(said.trimEnd().includes('everything is stopped'), () => said.slice(-2_000));
      const killed = said.slice(said.lastIndexOf('stopping everything')).match(/.*(?:Failed|timed out|Killing).*/g);
      assertEqual(killed, null, 'what had to be killed');
      return undefined;
    },
    'after the reboot, what ran runs again': async () => {
      await untilServed(busySites, limitMs);
      return `${monotonicMs()} ms after power-on; ${await states()}`;
    },
    'what slept sleeps, and wakes for a visitor': async () => {
      assert((await states()).includes('hooli sleeping'), () => 'hooli is awake');
      assert(await isServed(sleeper), () => 'hooli is not served');
      return undefined;
    },
    'is as promised after the reboot': async () => {
      const said = await run('tenantctl', 'verify', '--passive');
      return /^\d+ checks.*$/m.exec(said)?.[0];
    },
    'uninstalled, it keeps the data': async () => {
      await run('/usr/lib/tenantd/current/scripts/uninstall');
      assertEqual(ownProcesses(), [], 'processes that are left');
      assertEqual(await property('LoadState'), 'not-found', 'the unit is');
      for (const file of data) assert((await run('ls', '-d', file)) !== '', () => `${file} is gone`);
      return undefined;
    },
    'installed again, it goes on with them': async () => {
      await run(`${releaseDir}/scripts/install`);
      await untilServed(busySites, limitMs);
      return undefined;
    },
    'purged, it leaves nothing': async () => {
      await run('/usr/lib/tenantd/current/scripts/uninstall', '--purge', '--yes');
      const before = JSON.parse(readFileSync(footprintFile, 'utf8')) as Record<string, string>;
      const left = differences(before, await footprint()).filter((line) => !notOurs.test(line));
      assertEqual(left, [], 'there is a difference');
      return undefined;
    },
  };
}
