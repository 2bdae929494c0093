import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { VerifyResult } from '../../src/protocol/verify.ts';
import { request } from '../support/client.ts';
import { startSteadyLoad } from '../support/steady-load.ts';
import { sandboxRecords } from '../support/system-processes.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { answering, deploy, foldersOf } from './release-support.ts';

/** A release that is built by a program of Node. */
const builtBy = (program: string, files: Record<string, string> = answering('built')): Record<string, string> => ({
  ...files,
  'build.js': program,
  'app.yaml': 'kind: node\nentry: server.js\nbuild: ["node", "build.js"]\n',
});
const shell = (script: string): string =>
  `require('node:child_process').execFileSync('sh', ['-c', ${JSON.stringify(script)}], { stdio: 'inherit' });\n`;

describe('builds', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    const site = { 'apps/site/server.js': answering('first')['server.js'] ?? '' };
    const [acme, beta] = ['acme', 'beta'].map((name) => ({
      'tenant.yaml': `domains: [${name}.localhost]\nlimits: { disk: 32M, files: 2000 }\n`,
      ...site,
    }));
    daemon = await startTestDaemon({ tenants: { acme: acme ?? {}, beta: beta ?? {} }, config: 'releases: { buildTimeout: 6s }' });
    await daemon.untilApps(['acme/site', 'beta/site']);
  }, 60_000);
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  const serving = () => request(daemon.port, { host: 'acme.localhost' }).then(({ text }) => text);

  test('make what is started: the entry, too', async () => {
    const program = `require('node:fs').writeFileSync('server.js', process.env.TEXT); console.log('made by', process.env.HOME, process.env.TENANTD_APP);`;
    const files = {
      'build.js': program,
      'app.yaml': `kind: node\nentry: server.js\nbuild: ["node", "build.js"]\nenv: { TEXT: ${JSON.stringify(answering('made')['server.js'])} }\n`,
    };
    const { code, stderr } = await deploy(daemon, 'acme/site', files);
    expect(stderr).toContain('made by /home site');
    expect(code).toBe(0);
    expect(await serving()).toBe('made');
    const release = `${daemon.tenantsDir}/acme/apps/site/${readlinkSync(`${daemon.tenantsDir}/acme/apps/site/current`)}`;
    expect(readFileSync(`${release}/server.js`, 'utf8')).toContain('made');
    expect(statSync(`${release}/server.js`).mode).toBe(0o100644);
  });

  test('leave processes, closed folders and files behind, and nothing of that matters', async () => {
    const program = shell(
      'mkdir -p closed/deep; echo x > closed/deep/f; chmod 0 closed/deep/f closed/deep closed; umask 777; echo x > secret; (setsid sh -c "trap \\"\\" TERM HUP; while :; do echo alive >> alive; sleep 0.1; done" > /dev/null 2>&1 &)',
    );
    expect((await deploy(daemon, 'acme/site', builtBy(program))).code).toBe(0);
    expect(await serving()).toBe('built');
    const release = `${daemon.tenantsDir}/acme/apps/site/${readlinkSync(`${daemon.tenantsDir}/acme/apps/site/current`)}`;
    expect(readFileSync(`${release}/closed/deep/f`, 'utf8')).toBe('x\n');
    expect(statSync(`${release}/closed`).mode & 0o777).toBe(0o755);
    await untilNothingIsLeft(daemon);
  });

  test('see nothing but their own release', async () => {
    const program = `
      const fs = require('node:fs');
      const seen = (path) => { try { return fs.readdirSync(path).join(','); } catch (error) { return error.code; } };
      const written = (path) => { try { fs.writeFileSync(path, 'x'); return 'written'; } catch (error) { return error.code; } };
      console.log('apps=' + seen('/apps'), 'data=' + seen('/data'), 'secrets=' + seen('/run/secrets'), 'release=' + seen('/release'), 'srv=' + seen(${JSON.stringify(daemon?.directory ?? '/srv')}));
      console.log('usr=' + written('/usr/x'), 'apps=' + written('/apps/x'), 'up=' + written('/apps/site/../other'), 'lib=' + written('/opt/tenantd/lib/job.js'));
      console.log('uid=' + process.getuid(), 'network=' + Object.keys(require('node:os').networkInterfaces()));
    `;
    const { code, stderr } = await deploy(daemon, 'acme/site', builtBy(program));
    expect(code).toBe(0);
    expect(stderr).toMatch(/apps=site data=ENOENT secrets=ENOENT release=ENOENT srv=ENOENT/);
    expect(stderr).toMatch(/usr=EROFS apps=EROFS up=EROFS lib=EROFS/);
    expect(stderr).toMatch(/uid=[12]\d{6} network=(?:lo)?\n/);
  });

  const mischief: [string, string, RegExp][] = [
    ['ends with an error', 'console.log("missing"); process.exit(3);', /missing[\s\S]*it ended with code 3[\s\S]*TENANTD_E_BUILD_FAILED/],
    ['leaves a link to the outside', shell('ln -s /etc/passwd l'), /TENANTD_E_RELEASE/],
    ['leaves a link that goes up', shell('mkdir d; ln -s ../../x d/l'), /TENANTD_E_RELEASE/],
    ['leaves a FIFO', shell('mkfifo f'), /which is no file[\s\S]*TENANTD_E_RELEASE/],
    [
      'leaves a socket',
      'require("node:net").createServer().listen("s", () => process.exit(0));',
      /which is no file[\s\S]*TENANTD_E_RELEASE/,
    ],
    ['leaves what takes itself away', shell('rm -rf ./* .[a-z]*; true'), /TENANTD_E_(?:UNKNOWN_KIND|RELEASE)/],
    ['leaves a file that seems huge', shell('truncate -s 1T huge || truncate -s 100M huge'), /room that is left[\s\S]*TENANTD_E_RELEASE/],
    ['leaves a manifest that can not be read', shell('echo "kind: [" > app.yaml'), /TENANTD_E_YAML/],
    [
      'leaves a name that no terminal should see',
      'require("node:fs").writeFileSync("a\\x1b[2J\\nb", "x");',
      /control character[\s\S]*TENANTD_E_RELEASE/,
    ],
    ['runs for ever', 'setInterval(() => {}, 1000);', /it took over 6 s[\s\S]*TENANTD_E_BUILD_FAILED/],
    ['runs for ever, and can not be asked to end', 'process.on("SIGTERM", () => {}); for (;;);', /it took over 6 s/],
    ['forks without end', shell('f() { f | f & }; f; sleep 2; exit 1'), /TENANTD_E_BUILD_FAILED/],
    ['fills the disk', shell('cat /dev/zero > zeros; cat /dev/zero > /home/zeros'), /TENANTD_E_BUILD_FAILED/],
    ['fills the disk with files', shell('i=0; while : > f$i; do i=$((i+1)); done; exit 1'), /TENANTD_E_BUILD_FAILED/],
    [
      'fills the memory',
      'const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1));',
      /memory limit[\s\S]*TENANTD_E_BUILD_FAILED|code \d+[\s\S]*TENANTD_E_BUILD_FAILED/,
    ],
    ['prints a gigabyte', shell('head -c 1000000000 /dev/zero | tr "\\0" "x"; exit 1'), /is left out[\s\S]*TENANTD_E_BUILD_FAILED/],
  ];

  test.each(mischief)(
    'one that %s changes nothing, and what serves goes on serving',
    async (_, program, message) => {
      const [text, before] = [await serving(), foldersOf(daemon, 'acme/site')];
      const load = startSteadyLoad({
        port: daemon.port,
        hosts: [
          { host: 'acme.localhost', expected: text },
          { host: 'beta.localhost', expected: 'first' },
        ],
        workers: 2,
      });
      const { code, stderr } = await deploy(daemon, 'acme/site', builtBy(program));
      const { failures, requests } = await load.stop();
      expect(stderr.slice(-3_000)).toMatch(message);
      expect(code).toBe(1);
      expect(failures).toEqual([]);
      expect(requests).toBeGreaterThan(5);
      expect(foldersOf(daemon, 'acme/site')).toEqual(before);
      expect(await serving()).toBe(text);
      await untilNothingIsLeft(daemon);
    },
    60_000,
  );

  test('no other begins while something has files of the last one open, and with them its disk', async () => {
    const running = deploy(daemon, 'acme/site', builtBy('console.log("running"); setTimeout(() => {}, 3000);'));
    const open: number[] = [];
    await until(() => open.push(...[openInBuild(daemon) ?? []].flat()) > 0, 'the build runs');
    expect((await running).code).toBe(0);
    expect((await deploy(daemon, 'acme/site', builtBy(''))).stderr).toMatch(
      /has files open of the last build of site[\s\S]*TENANTD_E_BUSY/,
    );
    for (const folder of open) closeSync(folder);
    await untilDetached(daemon);
    expect((await deploy(daemon, 'acme/site', builtBy(''))).code).toBe(0);
    await untilNothingIsLeft(daemon);
  }, 60_000);

  test('one that runs is isolated as promised, and ends with a daemon that is asked to stop', async () => {
    const before = foldersOf(daemon, 'acme/site');
    const running = deploy(daemon, 'acme/site', builtBy('console.log("running"); setInterval(() => {}, 1000);'));
    await until(() => buildsOf(daemon).some((name) => name.startsWith('b.')), 'the build runs');
    const { code, stdout } = await daemon.ctl('verify', '--passive', '--json');
    const { checks } = JSON.parse(stdout) as VerifyResult;
    expect([code, checks.filter(({ ok }) => !ok)]).toEqual([0, []]);
    expect(checks.some(({ actual }) => actual.endsWith('/build-site.img'))).toBe(true);
    expect(await daemon.stop()).toBe(0);
    expect((await running).code).toBe(3);
    await daemon.start();
    await daemon.untilApps(['acme/site']);
    expect((await daemon.status()).problems).toEqual([]);
    await until(() => foldersOf(daemon, 'acme/site').length === before.length, 'its folder is gone');
    await untilNothingIsLeft(daemon);
  }, 60_000);

  test('one that runs while the daemon is killed ends with the next one', async () => {
    const before = foldersOf(daemon, 'acme/site');
    const running = deploy(daemon, 'acme/site', builtBy('console.log("running"); setInterval(() => {}, 1000);'));
    await until(() => buildsOf(daemon).length > 0, 'the build runs');
    await daemon.kill();
    expect((await running).code).not.toBe(0);
    await daemon.start();
    await untilNothingIsLeft(daemon);
    await until(() => foldersOf(daemon, 'acme/site').length === before.length, 'its folder is gone');
    expect((await deploy(daemon, 'acme/site', builtBy('', answering('again')))).code).toBe(0);
    expect(await serving()).toBe('again');
  }, 60_000);
});

/** Sandboxes of builds, by their records. */
function buildsOf(daemon: TestDaemon): string[] {
  return readdirSync(`${daemon.directory}/run/sandboxes`).filter((name) => /^[br]\./.test(name) && name.endsWith('.json'));
}

/** The folder of a build that runs, held open from outside, as an app of its tenant can that was passed a descriptor of it. */
function openInBuild(daemon: TestDaemon): number | undefined {
  const reaper = sandboxRecords(daemon).find(({ id }) => id.startsWith('b.'))?.reaper;
  return reaper && openSync(`/proc/${reaper.pid}/root/apps/site`, 'r');
}

async function untilDetached(daemon: TestDaemon): Promise<void> {
  const backing = (name: string): string => {
    try {
      return readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8');
    } catch {
      return '';
    }
  };
  const image = `${daemon.directory}/state/tenants/acme/build-site.img`;
  await until(() => readdirSync('/sys/block').every((name) => !backing(name).startsWith(image)), 'the disk is detached');
}

/** No process, image or folder of a build, and no loop device. */
async function untilNothingIsLeft(daemon: TestDaemon): Promise<void> {
  const images = () =>
    readdirSync(`${daemon.directory}/state/tenants/acme`).filter((name) => name.endsWith('.img') && name.startsWith('build'));
  await until(() => buildsOf(daemon).length === 0 && images().length === 0, 'nothing of the build is left', 20_000);
}
