import { lstatSync, readdirSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { request } from '../support/client.ts';
import { startSteadyLoad } from '../support/steady-load.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { answering, deploy, folderWith, foldersOf, releasesOf } from './release-support.ts';

const tenantOf = (name: string, more = ''): Record<string, string> => ({
  'tenant.yaml': `domains: [${name}.localhost]\n${more}`,
});
const appOf = (files: Record<string, string>, app = 'site'): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`apps/${app}/${name}`, text]));

describe('releases', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    const tenants = Object.fromEntries(
      ['acme', 'beta', 'gamma', 'small', 'pair', 'fresh'].map((name) => [
        name,
        {
          ...tenantOf(name, name === 'small' || name === 'pair' ? 'limits: { disk: 1M, files: 100 }\n' : ''),
          ...(name === 'fresh' || name === 'pair' ? {} : appOf(answering('first'))),
        },
      ]),
    );
    daemon = await startTestDaemon({ tenants, config: 'releases: { keep: 3, watch: 30m, buildTimeout: 20s }' });
    await daemon.untilApps(['acme/site', 'beta/site', 'gamma/site', 'small/site']);
  }, 60_000);
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  const ask = (tenant: string, path = '/') => request(daemon.port, { host: `${tenant}.localhost`, path });
  const currentOf = (tenant: string) => readlinkSync(`${daemon.tenantsDir}/${tenant}/apps/site/current`);

  test('a deploy, and a way back, without a failed request', async () => {
    const load = startSteadyLoad({ port: daemon.port, hosts: [{ host: 'beta.localhost', expected: 'first' }], workers: 2 });
    const answers = new Set<string>();
    const watching = new AbortController();
    const watched = (async () => {
      while (!watching.signal.aborted) {
        const { status, text } = await ask('acme');
        answers.add(`${status} ${text}`);
      }
    })();
    const first = await deploy(daemon, 'acme/site', answering('second'));
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^acme\/site: \d{8}-\d{6}-\w{4} serves \(1 file, /) as unknown });
    expect((await ask('acme')).text).toBe('second');
    const second = await daemon.ctl('app', 'deploy', 'acme/site', folderWith(daemon, answering('third')), '--wait', '--json');
    const { release, previous } = JSON.parse(second.stdout) as { release: string; previous: string };
    expect((await ask('acme')).text).toBe('third');
    expect(currentOf('acme')).toBe(`releases/${release}`);
    expect((await daemon.app('acme', 'site')).release).toBe(release);
    const back = await daemon.ctl('app', 'rollback', 'acme/site', '--json');
    expect(JSON.parse(back.stdout)).toEqual({ tenant: 'acme', app: 'site', release: previous, previous: release });
    expect((await ask('acme')).text).toBe('second');
    expect((await daemon.ctl('app', 'rollback', 'acme/site')).stdout).toContain('local serves again');
    expect((await ask('acme')).text).toBe('first');
    expect((await daemon.ctl('app', 'rollback', 'acme/site', '--to', release)).code).toBe(0);
    watching.abort();
    await watched;
    expect([...answers].sort()).toEqual(['200 first', '200 second', '200 third']);
    const { requests, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(20);
  });

  test("files are the app's, names are root's, and the app can write neither", async () => {
    const release = `${daemon.tenantsDir}/acme/apps/site/${currentOf('acme')}`;
    const { uid } = statSync(release);
    expect(uid).toBeGreaterThan(1_000_000);
    expect(statSync(`${release}/server.js`)).toMatchObject({ uid, mode: 0o100644 });
    expect([statSync(`${release}/..`).uid, lstatSync(`${release}/../../current`).uid]).toEqual([0, 0]);
    const tried = await daemon.ctl('exec', 'acme/site', '--', 'sh', '-c', 'touch /apps/site/x; chmod 777 /apps/site; echo $?');
    expect(tried.stdout).toBe('1\n');
    expect(tried.stderr).toMatch(/touch: .*Read-only file system[\s\S]*chmod: .*Read-only file system/);
  });

  test('a release that does not come to serve changes nothing, and its own words are shown', async () => {
    const before = [foldersOf(daemon, 'acme/site'), currentOf('acme')];
    const { code, stderr } = await deploy(daemon, 'acme/site', { 'server.js': 'console.log("no \\x1b[31mdatabase"); process.exit(7);' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/no .*database[\s\S]*exited with code 7[\s\S]*TENANTD_E_APP_FAILED/);
    expect(stderr).not.toContain('\x1b');
    expect([foldersOf(daemon, 'acme/site'), currentOf('acme')]).toEqual(before);
    expect((await ask('acme')).text).toBe('third');
  });

  test.each([
    [
      'a link that leads out',
      { 'app.yaml': 'kind: node\nentry: server.js\n' },
      (folder: string) => symlinkSync('/etc/passwd', `${folder}/l`),
      /TENANTD_E_RELEASE/,
    ],
    ['no app in it', { 'notes.txt': 'x' }, () => {}, /TENANTD_E_UNKNOWN_KIND/],
    ['a manifest with a mistake', { ...answering('x'), 'app.yaml': 'kind: nodde\n' }, () => {}, /app\.yaml:1/],
  ])('%s is refused, and leaves nothing', async (_, files, plant, message) => {
    const before = foldersOf(daemon, 'acme/site');
    const folder = folderWith(daemon, files);
    plant(folder);
    const { code, stderr } = await daemon.ctl('app', 'deploy', 'acme/site', folder);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
    expect(foldersOf(daemon, 'acme/site')).toEqual(before);
  });

  test('more than the plan has room for is refused, and the small one serves', async () => {
    const large = await deploy(daemon, 'small/site', { ...answering('large'), 'data.bin': 'x'.repeat(2 << 20) });
    expect(large.stderr).toMatch(/room that is left[\s\S]*TENANTD_E_RELEASE/);
    const many = Object.fromEntries(Array.from({ length: 120 }, (_, index) => [`f${index}`, '']));
    expect((await deploy(daemon, 'small/site', { ...answering('many'), ...many })).stderr).toContain('over 100 files');
    expect(foldersOf(daemon, 'small/site')).toEqual([]);
    expect((await deploy(daemon, 'small/site', answering('fits'))).code).toBe(0);
    expect((await ask('small')).text).toBe('fits');
  });

  test('only so many are kept, and older ones make room', async () => {
    for (const text of ['a', 'b', 'c', 'd'])
      expect((await deploy(daemon, 'small/site', { ...answering(text), 'pad.bin': 'x'.repeat(400_000) })).code).toBe(0);
    const releases = await releasesOf(daemon, 'small/site');
    expect(releases.length).toBe(2);
    expect(releases.map(({ current, previous }) => ({ current, previous }))).toEqual([
      { current: true, previous: false },
      { current: false, previous: true },
    ]);
    expect(foldersOf(daemon, 'small/site').toReversed()).toEqual(releases.map(({ release }) => release));
    for (const text of ['e', 'f', 'g']) await deploy(daemon, 'beta/site', answering(text));
    await deploy(daemon, 'beta/site', answering('first'));
    expect(foldersOf(daemon, 'beta/site').length).toBe(3);
  });

  test('two deploys at once get no more room together than there is', async () => {
    const withPad = (text: string, path: string) => ({
      ...answering(text),
      'app.yaml': `routes: ["pair.localhost${path}"]\n`,
      'pad.bin': 'x'.repeat(700_000),
    });
    const both = await Promise.all([
      deploy(daemon, 'pair/site', withPad('one', '/')),
      deploy(daemon, 'pair/other', withPad('two', '/other')),
    ]);
    expect(both.map(({ code }) => code).toSorted((a, b) => (a ?? 0) - (b ?? 0))).toEqual([0, 1]);
    expect(both.map(({ stderr }) => stderr).join('')).toMatch(/TENANTD_E_DISK_FULL|TENANTD_E_RELEASE/);
    const left = [...foldersOf(daemon, 'pair/site'), ...foldersOf(daemon, 'pair/other')];
    expect(left.length).toBe(1);
  });

  test('an app that was not there comes with its first release; one that does not serve does not come', async () => {
    const bad = await deploy(daemon, 'fresh/site', { 'server.js': 'console.log("not today"); process.exit(1);' });
    expect(bad).toMatchObject({ code: 1, stderr: expect.stringContaining('not today') as unknown });
    expect(readdirSync(`${daemon.tenantsDir}/fresh/apps`)).toEqual([]);
    expect((await daemon.tenant('fresh')).apps).toEqual([]);
    expect((await deploy(daemon, 'fresh/site', answering('hello'))).code).toBe(0);
    expect((await ask('fresh')).text).toBe('hello');
    expect(readdirSync(`${daemon.tenantsDir}/fresh/apps`)).toEqual(['site']);
  });

  test('a static app is deployed, too', async () => {
    expect((await deploy(daemon, 'fresh/site', { 'index.html': 'static' })).code).toBe(0);
    expect((await ask('fresh')).text).toBe('static');
    expect((await daemon.ctl('app', 'rollback', 'fresh/site')).code).toBe(0);
    expect((await ask('fresh')).text).toBe('hello');
  });

  test('to a stopped app, a deploy starts nothing', async () => {
    await daemon.ctl('app', 'stop', 'gamma/site');
    const { stdout } = await deploy(daemon, 'gamma/site', answering('later'));
    expect(stdout).toContain('is current; the app is stopped');
    expect(await daemon.app('gamma', 'site')).toMatchObject({ state: 'stopped', workers: [] });
    await daemon.ctl('app', 'start', 'gamma/site');
    expect((await ask('gamma')).text).toBe('later');
  });

  test('an archive file is taken as it is, and anything else is wrong usage', async () => {
    const folder = folderWith(daemon, { 'readme.md': 'x' });
    expect(await daemon.ctl('app', 'deploy', 'acme/site', `${folder}/readme.md`)).toMatchObject({ code: 2 });
    expect(await daemon.ctl('app', 'deploy', 'acme/site', `${folder}/gone`)).toMatchObject({ code: 2 });
    writeFileSync(`${folder}/torn.tar`, 'x'.repeat(700));
    expect((await daemon.ctl('app', 'deploy', 'acme/site', `${folder}/torn.tar`)).stderr).toContain('no whole tar archive');
  });
});
