import { appendFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { until } from '../../support/until.ts';
import { assert, assertEqual, attempt, property, read, run } from './commands.ts';
import { footprint, journal, monotonicMs, ownProcesses } from './machine.ts';
import type { Step } from './steps.ts';
import { busySites, processes, shop, site, sleeper, states, writeTenants } from './tenants.ts';
import { underLoad, untilServed, visit } from './visitors.ts';

const limitMs = 240_000;
export const footprintFile = '/var/lib/vm-test.footprint.json';

/** `releaseDir`: an unpacked release. */
export function firstBoot(releaseDir: string): Record<string, Step> {
  const newer = '/root/newer';
  const broken = '/root/broken';
  const installer = (folder: string): string => `${folder}/scripts/install`;

  return {
    'installs from the packed release, with doctor first': async () => {
      writeFileSync(footprintFile, JSON.stringify(await footprint()));
      const said = await run(installer(releaseDir));
      assert(said.includes('tenantd runs. What now:'), () => said);
      assertEqual(await property('ActiveState'), 'active', 'tenantd.service is');
      return said.match(/^\d+ ok.*$/m)?.[0];
    },
    'installing again changes nothing': async () => {
      const before = await property('MainPID');
      await run(installer(releaseDir));
      assertEqual(await property('MainPID'), before, 'its pid is');
      return undefined;
    },
    'serves tenants on 80 and 443': async () => {
      writeTenants();
      await untilServed([shop, { ...shop, secure: true }, site, { ...site, secure: false }], limitMs);
      return states();
    },
    'every layer of isolation is as promised, under the hardened unit': async () => {
      const { checks } = JSON.parse((await attempt('tenantctl', '--json', 'verify')).output.replace(/^tenantctl: .*$/gm, '')) as Verified;
      // Emulated, an attack may take longer than it has.
      const isSlow = ({ actual }: Check): boolean => actual === 'no answer';
      const failed = checks.filter((check) => !check.ok);
      assertEqual(
        failed.filter((check) => !isSlow(check)),
        [],
        'what is not as promised',
      );
      return `${checks.length} checks, ${failed.length} of them too slow to tell`;
    },
    'systemd knows how it is': async () => {
      const shown = await property('StatusText');
      assert(/^\d tenants?: /.test(shown), () => `StatusText is ${shown}`);
      const { output } = await attempt('systemd-analyze', 'security', 'tenantd.service', '--no-pager');
      return `${shown}; ${output.trim().split('\n').at(-1)}`;
    },
    'systemctl reload reads everything again': async () => {
      await run('systemctl', 'reload', 'tenantd');
      assertEqual(await property('ActiveState'), 'active', 'it is');
      return undefined;
    },
    'restarts under load without a failed request, and touches no tenant': async () => {
      const before = await processes();
      const told = await underLoad(busySites, async () => {
        for (let times = 0; times < 3; times++) await run('systemctl', 'restart', 'tenantd');
      });
      const after = await processes();
      assertEqual([after.edges, after.others], [before.edges, before.others], 'the processes are');
      assert(after.daemon !== before.daemon, () => 'the daemon is the same');
      assertEqual(await property('NFileDescriptorStore'), '2', 'sockets that systemd keeps');
      return told;
    },
    'stopped, its tenants serve on; the next one takes them up': async () => {
      const before = await processes();
      const told = await underLoad(busySites, async () => {
        await run('systemctl', 'stop', 'tenantd');
        assertEqual(await property('ActiveState'), 'inactive', 'it is');
        await visit(shop);
        await run('systemctl', 'start', 'tenantd');
      });
      assertEqual((await processes()).others, before.others, 'the processes are');
      return told;
    },
    'hung, it is killed by the watchdog and comes back, and no visitor notices': async () => {
      const before = await processes();
      const startedMs = monotonicMs();
      const told = await underLoad(busySites, async () => {
        process.kill(before.daemon, 'SIGSTOP');
        await until(async () => (await property('NRestarts')) === '1' && (await isUp()), 'it is back', limitMs);
      });
      const tookMs = monotonicMs() - startedMs;
      const after = await processes();
      assertEqual([after.edges, after.others], [before.edges, before.others], 'the processes are');
      assertEqual(await property('Result'), 'success', 'the unit ended with');
      return `back after ${tookMs} ms; ${told}`;
    },
    'who connects while daemon and edges are both gone is answered, not refused': async () => {
      const before = await processes();
      process.kill(before.daemon, 'SIGSTOP');
      const [edge = 0] = before.edges;
      process.kill(Number(/^PPid:\t(\d+)/m.exec(read(`/proc/${edge}/status`))?.[1]), 'SIGKILL');
      // What an edge has accepted ends with it.
      await until(() => read(`/proc/${edge}/status`) === '', 'the edge is gone', limitMs);
      const answers = await Promise.all(busySites.map((wanted) => visit(wanted)));
      assertEqual(
        answers.map(({ status }) => status),
        [200, 200],
        'answers are',
      );
      await until(isUp, 'it is up', limitMs);
      return undefined;
    },
    'upgrades in place under load: other edges, the same apps': async () => {
      makeRelease(releaseDir, newer, '9.9.9');
      const before = await processes();
      const told = await underLoad(busySites, async () => {
        await run(installer(newer));
        await until(async () => isOther((await processes()).edges, before.edges), 'the edges are new ones', limitMs);
      });
      assertEqual((await processes()).others, before.others, 'the processes are');
      assert((await run('readlink', '/usr/lib/tenantd/current')).startsWith('9.9.9-'), () => 'another version is current');
      return told;
    },
    'an upgrade that does not start is taken back': async () => {
      makeRelease(releaseDir, broken, '9.9.10');
      writeFileSync(`${broken}/lib/tenantd.js`, 'throw new Error("of no use");\n');
      const current = await run('readlink', '/usr/lib/tenantd/current');
      const told = await underLoad(busySites, async () => {
        const { code, output } = await attempt(installer(broken));
        assert(code === 1 && output.includes('of no use') && output.includes('nothing has changed'), () => `${code}: ${output}`);
      });
      assertEqual(await run('readlink', '/usr/lib/tenantd/current'), current, 'the current version is');
      assertEqual(await property('ActiveState'), 'active', 'it is');
      return told;
    },
    'goes back to the version before': async () => {
      const told = await underLoad(busySites, () => run(installer(newer), '--back'));
      const version = readFileSync('/usr/lib/tenantd/current/build', 'utf8');
      assertEqual(version, readFileSync(`${releaseDir}/build`, 'utf8'), 'the current version is');
      return told;
    },
    'stopping the holder ends everything, in order': async () => {
      const from = (await journal()).length;
      await run('systemctl', 'stop', 'tenantd-tenants');
      const said = (await journal()).slice(from);
      assert(said.includes('everything is stopped'), () => said);
      assertEqual(ownProcesses(), [], 'processes that are left');
      await run('systemctl', 'start', 'tenantd');
      await untilServed(busySites, limitMs);
      return undefined;
    },
    'an app falls asleep': async () => {
      await untilServed([sleeper], limitMs);
      await until(async () => (await states()).includes('hooli sleeping'), 'hooli sleeps', limitMs, states);
      return states();
    },
  };
}

interface Check {
  tenant: string;
  id: string;
  ok: boolean;
  actual: string;
}
interface Verified {
  checks: Check[];
}

export async function isUp(): Promise<boolean> {
  return (await property('ActiveState')) === 'active' && (await attempt('tenantctl', 'status')).code === 0;
}

function isOther(now: readonly number[], before: readonly number[]): boolean {
  return now.length > 0 && now.every((pid) => !before.includes(pid));
}

/** The same programs as another build: the daemon tells edges apart by what is in their bundle. */
function makeRelease(from: string, to: string, version: string): void {
  cpSync(from, to, { recursive: true });
  appendFileSync(`${to}/lib/edge.js`, `\n// ${version}\n`);
  writeFileSync(`${to}/build`, `${version}-00000000\n`);
}
