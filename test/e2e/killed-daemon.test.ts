import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { request } from '../support/client.ts';
import { prepareTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const names = Array.from({ length: 6 }, (_, index) => `kept${index}`);
const app = `require('node:http').createServer((request, response) => response.end('I am ' + process.env.TENANTD_TENANT)).listen(3000);`;

test('a daemon that is killed at one moment after another of its start leaves nothing double, lost or behind', async () => {
  const files = { 'apps/site/package.json': '{ "main": "server.js" }', 'apps/site/server.js': app };
  const tenants = Object.fromEntries(
    names.map((name) => [name, { 'tenant.yaml': `domains: [${name}.test]\ntls: { redirect: false }\n`, ...files }]),
  );
  await using daemon = await prepareTestDaemon({ tenants, https: true });

  // Each start gets a little further than the one before, and finds what that one had begun.
  for (let made = 1; made <= names.length * 2 + 2; made++) {
    const started = daemon.start().catch(() => 'it was killed first');
    await until(() => sandboxesEverMade(daemon) >= made, `${made} sandboxes are made`);
    await daemon.kill();
    await started;
  }

  await daemon.start();
  await daemon.untilApps(names.map((name) => `${name}/site`));
  for (const name of names) expect((await request(daemon.port, { host: `${name}.test` })).text).toBe(`I am ${name}`);
  const status = await daemon.status();
  expect(status.tenants.flatMap(({ problems }) => problems)).toEqual([]);
  expect(status.tenants.map(({ apps }) => apps[0]?.workers.length)).toEqual(names.map(() => 1));
  // A host and a worker of each tenant, the edge, and the process for certificates; bubblewrap is twice in each sandbox.
  expect(bubblewraps(daemon)).toHaveLength((names.length * 2 + 2) * 2);
  expect(await daemon.stop()).toBe(0);
  expect(bubblewraps(daemon)).toEqual([]);
});

function sandboxesEverMade(daemon: TestDaemon): number {
  try {
    return readdirSync(`${daemon.directory}/run/sandboxes`).filter((file) => file.endsWith('.status')).length;
  } catch {
    return 0; // the folder is not made yet
  }
}

function bubblewraps(daemon: TestDaemon): string[] {
  return readdirSync('/proc').filter(
    (pid) => /^\d+$/.test(pid) && commandLineOf(pid).startsWith(`${daemon.directory}/state/programs/bwrap`),
  );
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // it ended meanwhile
  }
}
