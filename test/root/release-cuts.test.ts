import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { request } from '../support/client.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { answering, deploy, foldersOf, releasesOf, sendHalf } from './release-support.ts';

const appOf = (files: Record<string, string>, app = 'site'): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`apps/${app}/${name}`, text]));

describe('releases that are cut off, or fail later', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    const tenants = Object.fromEntries(
      ['acme', 'delta', 'gamma', 'sick'].map((name) => [
        name,
        { 'tenant.yaml': `domains: [${name}.localhost]\n`, ...appOf(answering('first')) },
      ]),
    );
    daemon = await startTestDaemon({ tenants, config: 'releases: { watch: 30m }' });
    await daemon.untilApps(['acme/site', 'delta/site', 'gamma/site', 'sick/site']);
  }, 60_000);
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  const ask = (tenant: string, path = '/') => request(daemon.port, { host: `${tenant}.localhost`, path });

  test('of one app one deploy runs at a time, and one whose client goes away leaves nothing', async () => {
    const before = foldersOf(daemon, 'delta/site');
    const half = await sendHalf(daemon, 'delta/site', Buffer.alloc(512));
    const other = await deploy(daemon, 'delta/site', answering('other'));
    expect(other.stderr).toMatch(/under way, begun by operator at 20[\s\S]*TENANTD_E_BUSY/);
    expect((await daemon.ctl('app', 'rollback', 'delta/site')).stderr).toContain('TENANTD_E_BUSY');
    half.stream.destroy();
    await until(async () => (await deploy(daemon, 'delta/site', answering('other'))).code === 0, 'a deploy after the one that went away');
    expect(foldersOf(daemon, 'delta/site').length).toBe(before.length + 1);
  });

  test('root follows no name that is not its own', async () => {
    const app = `${daemon.tenantsDir}/gamma/apps/planted`;
    mkdirSync(`${daemon.directory}/elsewhere`);
    daemon.writeTenant('gamma', {
      ...appOf(answering('planted'), 'planted'),
      'apps/planted/app.yaml': 'routes: [gamma.localhost/planted]\n',
    });
    await daemon.untilApps(['gamma/planted']);
    symlinkSync(`${daemon.directory}/elsewhere`, `${app}/releases`);
    expect((await deploy(daemon, 'gamma/planted', answering('x'))).stderr).toContain('TENANTD_E_BAD_PATH');
    expect(readdirSync(`${daemon.directory}/elsewhere`)).toEqual([]);
    rmSync(`${app}/releases`);
    symlinkSync(`../../../../elsewhere`, `${app}/current`);
    expect((await daemon.app('gamma', 'planted')).release).toBe('local');
  });

  test('a release that fails soon after it began to serve is taken back, also by the next daemon', async () => {
    const dying = {
      'server.js': `require('node:http').createServer((q, s) => q.url === '/die' ? process.exit(9) : s.end('dying')).listen(3000);`,
    };
    expect((await deploy(daemon, 'sick/site', dying)).code).toBe(0);
    const release = (await releasesOf(daemon, 'sick/site'))[0]?.release;
    await daemon.kill();
    await daemon.start();
    const fail = async () => {
      await ask('sick', '/die').catch(() => {});
      return (await ask('sick')).text === 'first';
    };
    await until(fail, 'the release before serves again', 60_000);
    await until(
      async () => (await daemon.tenant('sick')).problems.some(({ code }) => code === 'TENANTD_E_ROLLED_BACK'),
      'a problem that says so',
    );
    const releases = await releasesOf(daemon, 'sick/site');
    expect(releases[0]).toMatchObject({ release, current: false, failure: expect.stringContaining('taken back by tenantd') as unknown });
    expect((await deploy(daemon, 'sick/site', answering('well'))).code).toBe(0);
    expect((await daemon.tenant('sick')).problems).toEqual([]);
    expect(readAudit(daemon)).toContain('app-rollback tenantd');
  }, 120_000);

  test('a daemon that is killed during a deploy leaves nothing of it', async () => {
    const before = foldersOf(daemon, 'acme/site');
    const half = await sendHalf(daemon, 'acme/site', Buffer.alloc(512));
    const begun = await sendHalf(daemon, 'delta/other', Buffer.alloc(512));
    await until(() => foldersOf(daemon, 'acme/site').length > before.length, 'a folder for it');
    expect(existsSync(`${daemon.tenantsDir}/delta/apps/.new-other`)).toBe(true);
    await daemon.kill();
    for (const { stream } of [half, begun]) stream.destroy();
    await daemon.start();
    await until(() => foldersOf(daemon, 'acme/site').length === before.length, 'it is gone');
    await until(() => !existsSync(`${daemon.tenantsDir}/delta/apps/.new-other`), 'what was begun is gone');
    expect(foldersOf(daemon, 'acme/site')).toEqual(before);
    expect((await ask('acme')).text).toBe('first');
  });

  test.each([50, 150, 250, 350, 450, 550])(
    'a daemon that is killed %i ms after a deploy began leaves all of it, or nothing',
    async (delayMs) => {
      const text = `killed ${delayMs}`;
      const [before] = [(await ask('delta')).text];
      const deployed = deploy(daemon, 'delta/site', answering(text));
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      await daemon.kill();
      const { code } = await deployed;
      await daemon.start();
      await daemon.untilApps(['delta/site']);
      await until(() => foldersOf(daemon, 'delta/site').every((name) => !name.endsWith('.new')), 'nothing is half done');
      const after = (await ask('delta')).text;
      expect(code === 0 ? [text] : [text, before]).toContain(after);
      const current = (await releasesOf(daemon, 'delta/site')).find((release) => release.current);
      expect(current?.release).toBe((await daemon.app('delta', 'site')).release);
    },
  );
});

function readAudit(daemon: TestDaemon): string {
  const database = new DatabaseSync(`${daemon.directory}/state/state.db`, { readOnly: true });
  try {
    const rows = database.prepare('SELECT action, actor FROM audit').all() as { action: string; actor: string }[];
    return rows.map(({ action, actor }) => `${action} ${actor}`).join('\n');
  } finally {
    database.close();
  }
}
