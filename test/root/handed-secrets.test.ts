import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setSecret } from '../support/set-secret.ts';
import { startSteadyLoad } from '../support/steady-load.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { pidOf } from './probe.ts';
import { secretApp, showSecret, type ShownSecret } from './secret-apps.ts';

const marker = (): string => `marker-${randomBytes(12).toString('hex')}`;

describe('a secret', () => {
  let daemon: TestDaemon;
  const show = (host: string, name: string): Promise<ShownSecret> => showSecret(daemon, host, name);

  beforeAll(async () => {
    daemon = await startTestDaemon({
      // Four apps, and one of them twice while its workers are replaced; each Node has a dozen threads.
      plans: 'plans: { starter: { memory: 512M, cpu: 2, processes: 256, requestsPerSecond: 0 } }',
      tenants: {
        acme: {
          'tenant.yaml': 'domains: [site.acme.test, shop.acme.test, tool.acme.test]\n',
          ...secretApp('site', 'site.acme.test', 'kind: node\nentry: server.js\nenv: { GREETING: from-the-manifest }\n'),
          ...secretApp('shop', 'shop.acme.test'),
          ...secretApp('tool', 'tool.acme.test', 'kind: command\ncommand: ["node", "server.js"]\n'),
        },
        globex: { 'tenant.yaml': 'domains: [globex.test]\n', ...secretApp('site', 'globex.test') },
        strict: {
          'tenant.yaml': 'domains: [strict.test]\n',
          ...secretApp('site', 'strict.test', 'kind: node\nentry: server.js\nsandbox: strict\n'),
        },
      },
    });
    await daemon.untilApps(['acme/site', 'acme/shop', 'acme/tool', 'globex/site', 'strict/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test('of a tenant is in the environment of its Node apps and a file for all of them, when the command answers', async () => {
    const value = marker();
    const { code, stdout, stderr } = await setSecret(daemon, 'acme', 'DATABASE_URL', `${value}\n`);
    expect([code, stdout, stderr]).toEqual([0, 'acme: DATABASE_URL is set; new workers of shop, site, tool serve with it\n', '']);
    for (const host of ['site.acme.test', 'shop.acme.test'])
      expect(await show(host, 'DATABASE_URL')).toMatchObject({ variable: value, file: value, mode: '400', environ: [] });
    expect(await show('tool.acme.test', 'DATABASE_URL')).toMatchObject({ variable: null, file: value, mode: '400', environ: [] });
    expect(await show('globex.test', 'DATABASE_URL')).toMatchObject({ variable: null, file: null, names: [] });
  });

  test('of one app is not there for its siblings, and goes before that of the tenant and before the manifest', async () => {
    const [ofSite, ofTenant] = [marker(), marker()];
    const { stdout } = await setSecret(daemon, 'acme/site', 'GREETING', ofSite);
    expect(stdout).toBe('acme/site: GREETING is set; new workers of site serve with it\n');
    expect(await show('shop.acme.test', 'GREETING')).toMatchObject({ variable: null, file: null });
    const { stdout: later } = await setSecret(daemon, 'acme', 'GREETING', ofTenant);
    expect(later).toBe('acme: GREETING is set; new workers of shop, tool serve with it\n');
    expect(await show('site.acme.test', 'GREETING')).toMatchObject({ variable: ofSite, file: ofSite });
    expect(await show('shop.acme.test', 'GREETING')).toMatchObject({ variable: ofTenant, file: ofTenant });
    expect((await daemon.ctl('secret', 'remove', 'acme/site', 'GREETING')).code).toBe(0);
    expect(await show('site.acme.test', 'GREETING')).toMatchObject({ variable: ofTenant });
  });

  test("arrives in an app under Node's permission model, too", async () => {
    const value = marker();
    expect((await setSecret(daemon, 'strict', 'API_KEY', value)).code).toBe(0);
    expect(await show('strict.test', 'API_KEY')).toMatchObject({ variable: value, file: value });
  });

  test('that was removed is not there for new workers, and its name is told no more', async () => {
    await setSecret(daemon, 'globex', 'SHORT_LIVED', marker());
    expect((await show('globex.test', 'SHORT_LIVED')).names).toEqual(['SHORT_LIVED']);
    const { stdout } = await daemon.ctl('secret', 'remove', 'globex', 'SHORT_LIVED');
    expect(stdout).toBe('globex: SHORT_LIVED is removed; new workers of site serve without it\n');
    expect(await show('globex.test', 'SHORT_LIVED')).toMatchObject({ variable: null, file: null, names: [] });
    const again = await daemon.ctl('secret', 'remove', 'globex', 'SHORT_LIVED', '--json');
    expect([again.code, JSON.parse(again.stdout)]).toMatchObject([1, { error: { code: 'TENANTD_E_NO_SUCH_SECRET' } }]);
  });

  test('of 64 KiB and of many lines arrives as it is; the pipe that it came on is closed', async () => {
    const value = `${'line of a key\n'.repeat(4_600)}\u{1f511} end\n`;
    expect((await setSecret(daemon, 'globex', 'LARGE', value, ['--keep-newline'])).code).toBe(0);
    const shown = await show('globex.test', 'LARGE');
    expect([shown.variable, shown.file]).toEqual([value, value]);
    const { descriptors } = await show('globex.test', 'NONE');
    // The listening socket, and one connection: the one that asks.
    expect(descriptors.filter((name) => name.startsWith('socket:')).length).toBe(2);
    await daemon.ctl('secret', 'remove', 'globex', 'LARGE');
  });

  test('can not be found in any file of tenantd, nor in the arguments or environment of any process, nor in its log', async () => {
    const [value, control] = [marker(), marker()];
    await setSecret(daemon, 'acme/site', 'API_KEY', value);
    await daemon.ctl('secret', 'rotate', 'acme');
    writeFileSync(`${daemon.directory}/logs/control.txt`, control);
    const holder = spawn('sh', ['-c', 'echo ready; read end', control], { env: { CONTROL: control } });
    await once(holder.stdout, 'data');
    // What is there is found: in the file, the arguments and the environment.
    expect(holdersOf(control, daemon.directory)).toEqual([
      `${daemon.directory}/logs/control.txt`,
      `/proc/${holder.pid}/environ`,
      `/proc/${holder.pid}/cmdline`,
    ]);
    holder.stdin.end();
    expect((await show('site.acme.test', 'API_KEY')).variable).toBe(value);
    expect(holdersOf(value, daemon.directory)).toEqual([]);
    expect(daemon.log()).not.toContain(value);
    const { stdout } = await daemon.ctl('secret', 'list', 'acme', '--json');
    expect(stdout).toContain('API_KEY');
    expect(stdout).not.toContain(value);
  });

  test('can not be found after the daemon has stopped and started again, and its apps have it again', async () => {
    const value = marker();
    await setSecret(daemon, 'acme/site', 'API_KEY', value);
    await daemon.stop();
    expect(holdersOf(value, daemon.directory)).toEqual([]);
    await daemon.start();
    await daemon.untilApps(['acme/site', 'acme/shop', 'acme/tool', 'globex/site']);
    expect((await show('site.acme.test', 'API_KEY')).variable).toBe(value);
  });

  test('is rotated, and changed, under load without a failed request', { timeout: 120_000 }, async () => {
    const hosts = ['site.acme.test', 'shop.acme.test'].map((host) => ({ host, expected: 'hello' }));
    const load = startSteadyLoad({ port: daemon.port, hosts, workers: 4, path: '/hello' });
    const pids = [await pidOf(daemon, 'acme/site'), await pidOf(daemon, 'acme/shop')];
    for (const args of [['acme'], [], ['--machine-key'], ['acme'], ['--machine-key']]) {
      expect((await daemon.ctl('secret', 'rotate', ...args)).code).toBe(0);
    }
    // No worker was replaced: what they hold is the same.
    expect([await pidOf(daemon, 'acme/site'), await pidOf(daemon, 'acme/shop')]).toEqual(pids);
    const value = marker();
    expect((await setSecret(daemon, 'acme', 'ROTATED', value)).code).toBe(0);
    expect((await show('shop.acme.test', 'ROTATED')).variable).toBe(value);
    const { requests, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(50);
  });

  test('that an app needs brings it up as soon as it is set; one that breaks it is told, and the workers before serve on', async () => {
    daemon.writeTenant('needy', {
      'tenant.yaml': 'domains: [needy.test]\n',
      ...secretApp('site', 'needy.test', 'kind: node\nentry: server.js\nenv: { REQUIRED: NEEDED }\n'),
    });
    await daemon.untilApps(['needy/site'], 'failed');
    const { code, stderr } = await setSecret(daemon, 'needy', 'NEEDED', 'yes');
    expect([code, stderr]).toEqual([0, '']);
    expect((await show('needy.test', 'NEEDED')).variable).toBe('yes');
    const removed = await daemon.ctl('secret', 'remove', 'needy', 'NEEDED');
    expect(removed.code).toBe(1);
    expect(removed.stderr).toContain('it is done, but not served yet: needy/site: the new version exited');
    expect((await show('needy.test', 'NEEDED')).variable).toBe('yes');
    daemon.removeTenant('needy');
  });

  test('is listed with who set it when, in 80 columns, and every change is in the audit trail without it', async () => {
    const value = marker();
    await setSecret(daemon, 'globex/site', `A_LONG_NAME_${'X'.repeat(52)}`, value, ['--no-wait']);
    await setSecret(daemon, 'globex', 'TOKEN', value, ['--no-wait']);
    await daemon.ctl('secret', 'remove', 'globex', 'TOKEN', '--no-wait');
    await setSecret(daemon, 'globex', 'TOKEN', value, ['--no-wait']);
    const { stdout } = await daemon.ctl('secret', 'list', 'globex');
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).toMatch(/^TOKEN +all apps +\d+ s ago +operator +\d+$/m);
    expect(stdout).toMatch(/^ +site +\d+ s ago/m);
    const trail = auditOf(daemon, 'globex').filter(({ after }) => after.includes('"name":"TOKEN"'));
    expect(trail.map(({ action, actor, outcome }) => [action, actor, outcome])).toEqual([
      ['secret-set', 'operator', 'done'],
      ['secret-remove', 'operator', 'done'],
      ['secret-set', 'operator', 'done'],
    ]);
    expect(JSON.parse(trail[1]?.after ?? '')).toEqual({ app: '', name: 'TOKEN', setAt: null, setBy: null });
    expect(holdersOf(value, daemon.directory)).toEqual([]);
  });
});

/** Files below the folder, and files of processes, that hold the text. */
function holdersOf(text: string, folder: string): string[] {
  const needle = Buffer.from(text);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => `${parentPath}/${name}`);
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const shown = processes.flatMap((pid) => [`/proc/${pid}/environ`, `/proc/${pid}/cmdline`]);
  return [...files, ...shown].filter((file) => read(file).includes(needle));
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch {
    return Buffer.alloc(0); // It ended meanwhile, or is the kernel's own.
  }
}

function auditOf(daemon: TestDaemon, tenant: string): Record<'action' | 'actor' | 'outcome' | 'after', string>[] {
  const database = new DatabaseSync(`${daemon.directory}/state/state.db`, { readOnly: true });
  try {
    const rows = database.prepare('SELECT action, actor, outcome, after FROM audit WHERE tenant = ? ORDER BY sequence').all(tenant);
    return rows as Record<'action' | 'actor' | 'outcome' | 'after', string>[];
  } finally {
    database.close();
  }
}
