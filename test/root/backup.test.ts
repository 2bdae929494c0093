import { rmSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BackupResult, RestoreResult } from '../../src/protocol/backup-calls.ts';
import { setSecret } from '../support/set-secret.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { ask, leftovers, oddFiles, passphraseFile } from './backup-support.ts';
import { answering, deploy } from './release-support.ts';

const hosts = { site: 'acme.localhost', api: 'api.acme.localhost', word: 'word.acme.localhost' };
const acme = {
  'tenant.yaml': `# the first one\ndomains: [${Object.values(hosts).join(', ')}]\nidle: never\n`,
  'apps/site': { copy: oddFiles },
  'apps/site/app.yaml': `routes: ["${hosts.site}/"]\n`,
  'apps/api': { copy: oddFiles },
  'apps/api/app.yaml': `routes: ["${hosts.api}/"]\nschedule: [{ name: tick, cron: "0 7 * * *", path: /tick }]\n`,
};

describe('a backup of one machine, restored on another', () => {
  let first: TestDaemon;
  let second: TestDaemon;
  let file: string;

  beforeAll(async () => {
    [first, second] = await Promise.all([startTestDaemon({ tenants: { acme } }), startTestDaemon({ tenants: {} })]);
    await first.untilApps(['acme/site', 'acme/api']);
    for (const app of ['site', 'api'] as const) await ask(first, hosts[app], '/make');
    await setSecret(first, 'acme', 'WORD', 'xyzzy');
    for (const text of ['one', 'two', 'three']) {
      await deploy(first, 'acme/word', { ...answering(text), 'app.yaml': `routes: ["${hosts.word}/"]\n` });
    }
    await first.ctl('app', 'scale', 'acme/word', '2');
    file = `${first.directory}/acme.backup`;
  }, 120_000);
  afterAll(async () => {
    for (const daemon of [first, second]) await daemon?.[Symbol.asyncDispose]();
  });

  const backup = (...options: string[]) => first.ctl('tenant', 'backup', 'acme', file, '--json', ...options);

  test('secrets are never written without a passphrase', async () => {
    const { code, stdout } = await backup();
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'TENANTD_E_PASSPHRASE' } });
    expect(leftovers(first, 'nobody')).toEqual([]);
  }, 60_000);

  test('is one file that only its owner reads, and leaves nothing else', async () => {
    const { code, stdout, stderr } = await backup('--passphrase-file', passphraseFile(first));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const result = JSON.parse(stdout) as BackupResult & { fileBytes: number };
    expect(result).toMatchObject({ tenant: 'acme', secrets: 1, encrypted: true, pauseMs: expect.any(Number) as unknown });
    expect(result.leftOut.shown.toSorted()).toEqual(
      ['api', 'site'].flatMap((app) => ['fifo', 'socket'].map((name) => `data/${app}/${name}: it is a socket, a FIFO or a device`)),
    );
    expect(statSync(file)).toMatchObject({ size: result.fileBytes });
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    expect(leftovers(first, 'nobody')).toEqual([]);
  }, 60_000);

  test('everything is there again: answers, files, owners by app, secrets, releases', async () => {
    const before = await describeIt(first);
    expect(before).toMatchObject({ word: 'three', secret: 'xyzzy ' });
    const { code, stdout, stderr } = await second.ctl('tenant', 'restore', file, '--json', '--passphrase-file', passphraseFile(first));
    expect({ code, stderr, stdout }).toMatchObject({ code: 0 });
    expect(JSON.parse(stdout) as RestoreResult).toMatchObject({ tenant: 'acme', from: 'acme', secrets: 1 });
    await second.untilApps(['acme/site', 'acme/api', 'acme/word']);
    expect(await describeIt(second)).toEqual(before);
    const uids = await Promise.all([first, second].map((daemon) => ask(daemon, hosts.site, '/uid')));
    expect(uids[0]).not.toBe(uids[1]);
    expect((await second.app('acme', 'word')).workers).toHaveLength(2);
    expect((await second.ctl('app', 'rollback', 'acme/word')).code).toBe(0);
    expect(await ask(second, hosts.word)).toBe('two');
    expect(await deploy(second, 'acme/word', { ...answering('four'), 'app.yaml': `routes: ["${hosts.word}/"]\n` })).toMatchObject({
      code: 0,
    });
    expect(await ask(second, hosts.word)).toBe('four');
    expect((await second.ctl('verify', 'acme')).code).toBe(0);
  }, 120_000);

  test('is not restored over a tenant that is there', async () => {
    const { code, stdout } = await second.ctl('tenant', 'restore', file, '--json', '--passphrase-file', passphraseFile(first));
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'TENANTD_E_TENANT_EXISTS' } });
    const other = await second.ctl('tenant', 'restore', file, '--as', 'other', '--json', '--passphrase-file', passphraseFile(first));
    expect(JSON.parse(other.stdout)).toMatchObject({ error: { code: 'TENANTD_E_DOMAIN_TAKEN' } });
    expect(leftovers(second, 'other')).toEqual([]);
  }, 60_000);

  async function describeIt(daemon: TestDaemon) {
    const releases = JSON.parse((await daemon.ctl('app', 'releases', 'acme/word', '--json')).stdout) as unknown;
    return {
      ...{ site: await ask(daemon, hosts.site, '/tree'), api: await ask(daemon, hosts.api, '/tree'), word: await ask(daemon, hosts.word) },
      ...{ secret: await ask(daemon, hosts.site, '/secret'), plain: await ask(daemon, hosts.site), releases },
    };
  }

  test('a clone serves under its own domains, and does nothing by itself', async () => {
    const domains = ['staging.localhost', 'api.staging.localhost', 'word.staging.localhost'];
    const { code, stdout, stderr } = await first.ctl('tenant', 'clone', 'acme', 'staging', '--domain', ...domains, '--json');
    expect({ code, stderr, stdout }).toMatchObject({ code: 0 });
    expect(JSON.parse(stdout)).toMatchObject({ tenant: 'staging', from: 'acme', pausedSchedules: 1 });
    await first.untilApps(['staging/site', 'staging/api', 'staging/word']);
    expect(await ask(first, 'word.staging.localhost')).toBe('three');
    expect(await ask(first, 'staging.localhost', '/tree')).toBe(await ask(first, hosts.site, '/tree'));
    expect(await ask(first, 'staging.localhost', '/secret')).toContain('xyzzy');
    expect(leftovers(first, 'nobody')).toEqual([]);
  }, 120_000);

  test('what is damaged or of another passphrase changes nothing', async () => {
    const wrong = await second.ctl(
      'tenant',
      'restore',
      file,
      '--as',
      'third',
      '--json',
      '--passphrase-file',
      passphraseFile(first, 'wrong'),
    );
    expect(JSON.parse(wrong.stdout)).toMatchObject({ error: { code: 'TENANTD_E_PASSPHRASE' } });
    const cut = `${first.directory}/cut.backup`;
    writeFileSync(cut, (await import('node:fs')).readFileSync(file).subarray(0, statSync(file).size - 5));
    const args = ['--as', 'third', '--domain', 'third.localhost', '--json', '--passphrase-file', passphraseFile(first)];
    const { stdout } = await second.ctl('tenant', 'restore', cut, ...args);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'TENANTD_E_BACKUP', message: 'its end is missing: it was cut off' } });
    expect(leftovers(second, 'third')).toEqual([]);
    rmSync(cut);
  }, 60_000);
});
