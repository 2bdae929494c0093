import { renameSync, rmSync, symlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { request } from '../support/client.ts';
import { startTestDaemon, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const [first, second] = ['20261121-133405-aaaa', '20261121-133406-bbbb'];

function app(folder: string, says: string): TenantFiles {
  return {
    [`${folder}/package.json`]: '{ "main": "server.js" }',
    [`${folder}/server.js`]: `require('node:http').createServer((request, response) => response.end('${says}')).listen(3000);`,
  };
}

const config = (...domains: string[]): TenantFiles => ({
  'tenant.yaml': `domains: [${domains.join(', ')}]\ntls: { redirect: false }\nidle: never\n`,
});
const twoApps = {
  ...app('apps/site', 'the site'),
  ...app('apps/blog', 'the blog'),
  'apps/site/app.yaml': 'routes: ["globex.test/"]\n',
  'apps/blog/app.yaml': 'routes: ["globex.test/blog"]\n',
};

const pointTo = (daemon: TestDaemon, release: string): void => {
  const link = `${daemon.tenantsDir}/hooli/apps/site/current`;
  symlinkSync(`releases/${release}`, `${link}.new`);
  renameSync(`${link}.new`, link);
};

async function answerOf(daemon: TestDaemon, host: string, path = '/'): Promise<string | number> {
  const { status, text } = await request(daemon.port, { host, path });
  return status === 200 ? text : status;
}

test('what changed on disk while no daemon ran is carried out by the next one, and nothing else is touched', async () => {
  await using daemon = await startTestDaemon({
    tenants: {
      acme: { ...config('acme.test', 'old.test'), ...app('apps/site', 'acme') },
      globex: { ...config('globex.test'), ...twoApps },
      initech: { ...config('initech.test'), ...app('apps/site', 'initech') },
      same: { ...config('same.test'), ...app('apps/site', 'same') },
    },
  });
  daemon.writeTenant('hooli', {
    ...config('hooli.test'),
    ...app(`apps/site/releases/${first}`, 'the first release'),
    ...app(`apps/site/releases/${second}`, 'the second release'),
  });
  pointTo(daemon, first);
  await daemon.untilApps(['acme/site', 'globex/site', 'globex/blog', 'initech/site', 'same/site', 'hooli/site']);
  expect(await answerOf(daemon, 'hooli.test')).toBe('the first release');
  const workerOfSame = (await daemon.app('same', 'site')).workers[0]?.pid;

  await daemon.kill();
  daemon.writeTenant('acme', config('acme.test', 'new.test'));
  rmSync(`${daemon.tenantsDir}/globex/apps/blog`, { recursive: true });
  daemon.removeTenant('initech');
  daemon.writeTenant('umbrella', { ...config('umbrella.test'), ...app('apps/site', 'umbrella') });
  pointTo(daemon, second);
  await daemon.start();

  await daemon.untilApps(['acme/site', 'globex/site', 'same/site', 'hooli/site', 'umbrella/site']);
  await until(async () => (await answerOf(daemon, 'hooli.test')) === 'the second release', 'the release that is current serves', 30_000);
  await until(async () => (await daemon.status()).tenants.every(({ name }) => name !== 'initech'), 'initech is gone', 30_000);
  const answers = await Promise.all(
    ['acme.test', 'new.test', 'old.test', 'globex.test', 'initech.test', 'same.test', 'umbrella.test'].map((host) =>
      answerOf(daemon, host),
    ),
  );
  expect(answers).toEqual(['acme', 'acme', 421, 'the site', 421, 'same', 'umbrella']);
  expect(await answerOf(daemon, 'globex.test', '/blog')).toBe('the site');
  const status = await daemon.status();
  expect(status.tenants.find(({ name }) => name === 'globex')?.apps.map(({ name }) => name)).toEqual(['site']);
  expect(status.tenants.flatMap(({ problems }) => problems)).toEqual([]);
  expect((await daemon.app('same', 'site')).workers[0]?.pid).toBe(workerOfSame);
});
