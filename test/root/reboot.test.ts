import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { identifyProcess } from '../../src/privileged/processes.ts';
import { request } from '../support/client.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const tenant = (name: string, idle: string) => ({
  'tenant.yaml': `domains: [${name}.test]\n`,
  'apps/site/package.json': '{"main":"server.js"}',
  'apps/site/app.yaml': `idle: ${idle}\n`,
  'apps/site/server.js': `const fs = require('node:fs'); const count = '/data/visits';
    require('node:http').createServer((request, response) => {
      fs.appendFileSync(count, 'x');
      response.end('${name} ' + fs.readFileSync(count).length + ' ' + process.getuid());
    }).listen(3000);`,
});

/** As a power cut leaves it: no process, and of what was in memory nothing. */
async function goDown(daemon: TestDaemon): Promise<void> {
  await daemon.kill();
  const records = `${daemon.directory}/run/sandboxes`;
  const pids = readdirSync(records)
    .filter((name) => name.endsWith('.json'))
    .map((name) => (JSON.parse(readFileSync(`${records}/${name}`, 'utf8')) as { reaper: { pid: number } }).reaper.pid);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  await until(() => pids.every((pid) => identifyProcess(pid) === undefined), 'nothing of it lives');
  for (const name of readdirSync(`${daemon.directory}/run`)) rmSync(`${daemon.directory}/run/${name}`, { recursive: true });
}

test('after a reboot what ran runs again, as the same users with the same data, and what slept sleeps on', async () => {
  await using daemon = await startTestDaemon({ tenants: { awake: tenant('awake', 'never'), tired: tenant('tired', '1s') } });
  const visit = async (name: string): Promise<string> => (await request(daemon.port, { host: `${name}.test` })).text;
  await daemon.untilApps(['awake/site', 'tired/site']);
  const [awake, tired] = [await visit('awake'), await visit('tired')];
  await daemon.untilApps(['tired/site'], 'sleeping');

  await goDown(daemon);
  await daemon.start();
  await daemon.untilApps(['awake/site']);

  const counted = (text: string): string => text.replace(' 1 ', ' 2 ');
  expect(await visit('awake')).toBe(counted(awake));
  expect(await daemon.app('tired', 'site')).toMatchObject({ state: 'sleeping', workers: [] });
  expect((await daemon.tenant('tired')).hostPid).toBe(0);
  expect(await visit('tired')).toBe(counted(tired));
});
