import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuditVerdict } from '../../src/cli/audit-verify.ts';
import type { CallName } from '../../src/daemon/policy.ts';
import type { AuditRecord } from '../../src/protocol/audit-chain.ts';
import { repositoryPath, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { makeToken } from './token-support.ts';

const server = `require('node:http').createServer((request, response) => response.end('hello')).listen(3000);`;
const filesOf = (domain: string) => ({
  'tenant.yaml': `domains: [${domain}]\n`,
  'apps/site/package.json': '{ "main": "server.js" }',
  'apps/site/server.js': server,
  'apps/site/app.yaml': 'drain: 1s\nschedule: [{ name: digest, cron: "0 0 1 1 *", path: / }]\n',
});
const canaries = ['hush-secret', 'hush-argument', 'hush-passphrase', 'hush-comment'];

interface Change {
  /** Of tenantctl. Words in capitals stand for what is only known when it runs. */
  args: string[];
  input?: string;
  /** As the trail has it; default: the call's name. */
  action?: string;
  /** Of the record; default: acme. */
  tenant?: string;
  /** The template has another page before it. */
  changesTemplate?: boolean;
  /** By the token of an agent. */
  byAgent?: boolean;
}

const passphrase = ['--passphrase-file', 'PASSPHRASE'];

/** What each call is: a look, or what is done to make that change. One that is new does not compile without. In this order. */
const calls: Record<CallName, 'looks' | Change[]> = {
  ...{ status: 'looks', grants: 'looks', verify: 'looks', logs: 'looks', 'access-logs': 'looks', faults: 'looks', usage: 'looks' },
  ...{
    metrics: 'looks',
    'app-releases': 'looks',
    'cert-list': 'looks',
    'cert-ca': 'looks',
    'domain-list': 'looks',
    'domain-check': 'looks',
  },
  ...{ 'secret-list': 'looks', 'schedule-list': 'looks', 'schedule-history': 'looks', 'audit-list': 'looks', 'audit-head': 'looks' },
  ...{ 'plan-list': 'looks', 'plan-show': 'looks', 'tenant-list': 'looks', 'token-list': 'looks', 'template-list': 'looks' },
  ...{ 'proposal-list': 'looks', 'proposal-show': 'looks', diff: 'looks' },

  reload: [
    { args: ['reload'], tenant: '' },
    { args: ['reload', '--edges'], tenant: '', action: 'reload-edges' },
  ],
  'app-restart': [{ args: ['app', 'restart', 'acme/site'] }],
  'app-stop': [{ args: ['app', 'stop', 'acme/site'] }],
  'app-start': [{ args: ['app', 'start', 'acme/site'] }],
  'app-scale': [{ args: ['app', 'scale', 'acme/site', '1'] }],
  'app-deploy': [{ args: ['app', 'deploy', 'acme/site', 'CODE'] }],
  'app-rollback': [{ args: ['app', 'rollback', 'acme/site'] }],
  'schedule-run': [{ args: ['schedule', 'run', 'acme/site', 'digest'] }],
  shell: [{ args: ['shell', 'acme/site'], input: 'true\n', action: 'shell-open' }],
  exec: [
    { args: ['exec', 'acme', '--', 'true', 'hush-argument'], action: 'exec-open' },
    { args: ['exec', 'acme', '--', 'true', 'hush-argument'], action: 'exec-close' },
  ],
  'domain-add': [{ args: ['domain', 'add', 'acme', 'new.test'] }],
  'domain-remove': [{ args: ['domain', 'remove', 'acme', 'new.test'] }],
  'cert-renew': [{ args: ['cert', 'renew', 'acme', '--force'] }],
  'secret-set': [{ args: ['secret', 'set', 'acme', 'KEY'], input: 'hush-secret' }],
  'secret-rotate': [{ args: ['secret', 'rotate', 'acme'] }],
  'tenant-backup': [{ args: ['tenant', 'backup', 'acme', 'BACKUP', ...passphrase] }],
  'secret-remove': [{ args: ['secret', 'remove', 'acme', 'KEY'] }],
  'machine-key-rotate': [{ args: ['secret', 'rotate', '--machine-key'], tenant: '' }],
  'token-create': [{ args: ['token', 'create', '--tenant', 'acme', '--role', 'viewer'] }],
  'token-revoke': [{ args: ['token', 'revoke', 'TOKEN'] }],
  'proposal-approve': [
    { args: ['app', 'restart', 'acme/site'], action: 'propose', byAgent: true },
    { args: ['approve', 'PROPOSAL', '--yes'], action: 'approve' },
  ],
  'proposal-deny': [
    { args: ['app', 'stop', 'acme/site'], action: 'propose', byAgent: true },
    { args: ['deny', 'PROPOSAL'], action: 'deny' },
  ],
  'tenant-create': [{ args: ['tenant', 'create', 'made', '--domain', 'made.test', '--template', 'small'], tenant: 'made' }],
  'template-apply': [{ args: ['template', 'apply', 'small', 'made', '--yes'], tenant: 'made', changesTemplate: true }],
  'tenant-suspend': [{ args: ['tenant', 'suspend', 'made'], tenant: 'made' }],
  'tenant-resume': [{ args: ['tenant', 'resume', 'made'], tenant: 'made' }],
  'tenant-clone': [{ args: ['tenant', 'clone', 'acme', 'cloned', '--domain', 'cloned.test'], tenant: 'cloned' }],
  'tenant-restore': [
    { args: ['tenant', 'restore', 'BACKUP', '--as', 'restored', '--domain', 'restored.test', ...passphrase], tenant: 'restored' },
  ],
  'tenant-remove': [{ args: ['tenant', 'remove', 'made', '--now', '--yes'], tenant: 'made' }],
};

describe('the audit trail', () => {
  let daemon: TestDaemon;
  let outside: string;
  const known: Record<string, string> = {};

  beforeAll(async () => {
    outside = mkdtempSync(join(tmpdir(), 'tenantd-audit-'));
    known['TEMPLATES'] = join(outside, 'templates');
    known['CODE'] = join(outside, 'code');
    known['BACKUP'] = join(outside, 'acme.backup');
    known['PASSPHRASE'] = join(outside, 'passphrase');
    mkdirSync(join(known['TEMPLATES'], 'small/apps/site'), { recursive: true });
    mkdirSync(known['CODE']);
    writeFileSync(join(known['TEMPLATES'], 'small/tenant.yaml'), 'domains: {{ domains }}\nplan: {{ plan }}\n');
    writeFileSync(join(known['TEMPLATES'], 'small/apps/site/index.html'), 'small');
    writeFileSync(join(known['CODE'], 'server.js'), server);
    writeFileSync(join(known['CODE'], 'package.json'), '{ "main": "server.js" }');
    writeFileSync(known['PASSPHRASE'], 'hush-passphrase-of-some-length\n', { mode: 0o600 });
    daemon = await startTestDaemon({
      https: true,
      config: `templatesDir: ${known['TEMPLATES']}`,
      tenants: { acme: filesOf('acme.test'), globex: filesOf('globex.test') },
    });
    await daemon.untilApps(['acme/site', 'globex/site']);
    known['AGENT'] = (await makeToken(daemon, 'agent', 'acme')).token;
  });
  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    rmSync(outside, { recursive: true, force: true });
  });

  async function records(...args: string[]): Promise<AuditRecord[]> {
    const { stdout, stderr, code } = await daemon.ctl('audit', '--json', ...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return (JSON.parse(stdout) as { records: AuditRecord[] }).records;
  }

  async function ctl({ args, input = '', byAgent = false }: Change): Promise<string> {
    const command = [repositoryPath('dist/tenantctl.js'), '--config', daemon.configFile, ...args.map((word) => known[word] ?? word)];
    const env = { NO_COLOR: '1', ...(byAgent && { TENANTD_TOKEN: known['AGENT'] ?? '' }) };
    const child = spawn(process.execPath, command, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdin.on('error', () => {}).end(input);
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    expect({ args, code, said: code === 0 ? '' : stdout + stderr }).toEqual({ args, code: 0, said: '' });
    return stdout + stderr;
  }

  test('has every change that can be asked for, with who, what, before, after and how it ended', { timeout: 240_000 }, async () => {
    const missing: string[] = [];
    for (const [call, changes] of Object.entries(calls)) {
      for (const change of changes === 'looks' ? [] : changes) {
        const last = (await records('-n', '1')).at(-1)?.sequence ?? 0;
        if (change.changesTemplate) writeFileSync(join(known['TEMPLATES'] ?? '', 'small/apps/site/index.html'), 'larger');
        await ctl(change);
        const { action = call, tenant = 'acme' } = change;
        const isThere = async (): Promise<boolean> =>
          (await records('-n', '30')).some(
            (record) => record.sequence > last && record.action === action && record.tenant === tenant && record.outcome === 'done',
          );
        // The end of a session is written when all of it has ended.
        await until(isThere, `${action} is on record`, 5_000).catch(() => missing.push(`${call}: ${action}`));
        if (call === 'token-create') known['TOKEN'] = idOfViewer(await daemon.ctl('token', 'list', '--json'));
        if (action === 'propose') known['PROPOSAL'] = idOfProposal(await daemon.ctl('proposal', 'list', '--json'));
      }
    }
    expect(missing).toEqual([]);
    const all = await records('-n', '10000');
    expect(
      all.filter(({ time, actor, action, before, after, outcome }) => [time, actor, action, before, after, outcome].includes('')),
    ).toEqual([]);
    expect((await verdictOf(daemon)).ok).toBe(true);
  });

  test('has what was changed by files, also while nobody was there, and the end of a tenant whose folder is gone', async () => {
    daemon.writeTenant('globex', { 'tenant.yaml': '# hush-comment\ndomains: [globex.test, www.globex.test]\nidle: 10m\n' });
    await until(async () => (await records('--tenant', 'globex', '--action', 'tenant-file')).length === 2, 'the file is on record');
    const [, changed] = await records('--tenant', 'globex', '--action', 'tenant-file');
    expect(changed).toMatchObject({ actor: 'files', outcome: 'done' });
    expect(JSON.parse(changed?.after ?? '')).toMatchObject({ changed: ['domains', 'idle'] });
    await daemon.stop();
    appendFileSync(daemon.configFile, '\nreleases: { keep: 7 }\n');
    daemon.writeTenant('late', filesOf('late.test'));
    await daemon.start();
    expect(JSON.parse((await records('--action', 'daemon-file')).at(-1)?.after ?? '')).toMatchObject({ changed: ['releases'] });
    expect((await records('--tenant', 'late')).map(({ action, before }) => [action, before])).toEqual([['tenant-file', 'null']]);
    daemon.removeTenant('late');
    await until(async () => (await records('--tenant', 'late', '--action', 'tenant-gone')).length === 1, 'its end is on record');
  });

  test('has a change that the daemon did not live to see the end of', async () => {
    const command = [
      repositoryPath('dist/tenantctl.js'),
      '--config',
      daemon.configFile,
      'app',
      'deploy',
      'globex/site',
      known['CODE'] ?? '',
    ];
    writeFileSync(join(known['CODE'] ?? '', 'app.yaml'), 'build: ["sleep", "60"]\n');
    const child = spawn(process.execPath, command, { stdio: 'ignore' });
    const database = new DatabaseSync(`${daemon.directory}/state/state.db`, { readOnly: true });
    await until(() => database.prepare("SELECT 1 FROM audit_begun WHERE tenant = 'globex'").get() !== undefined, 'it is under way');
    database.close();
    await daemon.kill();
    child.kill('SIGKILL');
    await daemon.start();
    const [record] = await records('--tenant', 'globex', '-n', '1');
    expect(record).toMatchObject({ action: 'app-deploy', actor: 'operator', outcome: expect.stringMatching(/^unknown: /) as string });
  });

  test('shows a token what is about its tenant, without the hashes over all', async () => {
    const { token } = await makeToken(daemon, 'viewer', 'globex');
    const file = join(outside, 'token');
    writeFileSync(file, token, { mode: 0o600 });
    const { stdout } = await daemon.ctl('audit', '--json', '--token-file', file);
    const seen = (JSON.parse(stdout) as { records: AuditRecord[] }).records;
    expect(new Set(seen.map(({ tenant }) => tenant))).toEqual(new Set(['globex']));
    expect(seen.filter((record) => 'hash' in record || 'previousHash' in record)).toEqual([]);
    for (const args of [['--tenant', 'acme'], ['--verify']]) {
      const refused = await daemon.ctl('audit', '--token-file', file, ...args);
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('TENANTD_E_DENIED')]);
    }
  });

  test('holds no secret, nor its file', () => {
    const stored =
      readFileSync(`${daemon.directory}/state/state.db`, 'latin1') + readFileSync(`${daemon.directory}/state/state.db-wal`, 'latin1');
    expect(stored).toContain('secret-set');
    expect(canaries.filter((canary) => canary !== 'hush-comment' && stored.includes(canary))).toEqual([]);
  });

  test('fits a terminal, and goes out whole as JSON lines, which can be verified anywhere', async () => {
    const { stdout } = await daemon.ctl('audit', '-n', '1000');
    expect(stdout.split('\n').filter((line) => line.length > 80 && line.includes(' '))).toEqual([]);
    const file = join(outside, 'trail.jsonl');
    expect((await daemon.ctl('audit', '--export', file)).code).toBe(0);
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(canaries.filter((canary) => readFileSync(file, 'utf8').includes(canary))).toEqual([]);
    expect(await verdictOf(daemon, file)).toMatchObject({ code: 0, ok: true, records: lines.length, first: 1 });
    const whole = await verdictOf(daemon);
    expect(whole).toMatchObject({ code: 0, ok: true });
    for (const edited of Object.values({
      edited: lines.with(7, lines[7]?.replace('"done"', '"denied"') ?? ''),
      cut: lines.toSpliced(7, 1),
      moved: lines.with(7, lines[8] ?? '').with(8, lines[7] ?? ''),
    })) {
      writeFileSync(file, `${edited.join('\n')}\n`);
      expect(await verdictOf(daemon, file)).toMatchObject({ code: 1, ok: false, records: 7 });
    }
    writeFileSync(file, lines.slice(20).join('\n'));
    expect(await verdictOf(daemon, file)).toMatchObject({ code: 0, first: 21 });
    expect((await daemon.ctl('audit', '--verify', daemon.configFile)).stderr).toContain('TENANTD_E_AUDIT');
  });
});

describe('the file of the audit trail', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await startTestDaemon();
    for (let count = 0; count < 15; count += 1) await daemon.ctl('reload');
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  describe.each<[string, string[], { sequence?: number; what: RegExp }]>([
    ['edited', ["UPDATE audit SET actor = 'nobody' WHERE sequence = 9"], { sequence: 9, what: /edited/ }],
    ['cut out', ['DELETE FROM audit WHERE sequence IN (9, 10)'], { sequence: 11, what: /records 9 to 10 before it are missing/ }],
    [
      'moved',
      [
        'UPDATE audit SET sequence = -9 WHERE sequence = 9',
        'UPDATE audit SET sequence = 9 WHERE sequence = 10',
        'UPDATE audit SET sequence = 10 WHERE sequence = -9',
      ],
      { sequence: 9, what: /edited/ },
    ],
    ['put in', ["INSERT INTO audit VALUES ('acme', 0, '', 'x', 'x', '', '', '', '', 'x')"], { sequence: 0, what: /added, or moved/ }],
    ['cut off', ['DELETE FROM audit WHERE sequence > 12'], { what: /the last \d+ records were cut off/ }],
  ])('of which something was %s in the file', (_, statements, fault) => {
    test('says which record, whether or not the daemon runs meanwhile', { timeout: 60_000 }, async () => {
      const database = new DatabaseSync(`${daemon.directory}/state/state.db`, { timeout: 5_000 });
      const [one, two] = ['audit_is_append_only_1', 'audit_is_append_only_2'].map(
        (name) => database.prepare('SELECT sql FROM sqlite_schema WHERE name = ?').get(name)?.['sql'] as string,
      );
      const before = database.prepare('SELECT * FROM audit').all();
      database.exec('DROP TRIGGER audit_is_append_only_1; DROP TRIGGER audit_is_append_only_2');
      for (const statement of statements) database.exec(statement);
      const found = await verdictOf(daemon);
      expect(found).toMatchObject({ code: 1, ok: false, fault: { ...fault, what: expect.stringMatching(fault.what) as string } });
      // As it was, for the others.
      database.exec('DELETE FROM audit');
      const columns = Object.keys(before[0] ?? {});
      const insert = database.prepare(`INSERT INTO audit (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`);
      for (const row of before) insert.run(...Object.values(row));
      database.exec(`${one}; ${two}`);
      database.close();
      expect(await verdictOf(daemon)).toMatchObject({ code: 0, ok: true });
    });
  });

  test('whose end was cut off says so for ever, also once more was written', { timeout: 60_000 }, async () => {
    await daemon.stop();
    const database = new DatabaseSync(`${daemon.directory}/state/state.db`);
    database.exec('DROP TRIGGER audit_is_append_only_2; DELETE FROM audit WHERE sequence > 10');
    database.close();
    await daemon.start();
    expect((await daemon.ctl('reload')).code).toBe(0);
    const { code, ok, fault, cuts } = await verdictOf(daemon);
    expect({ code, ok, fault, cuts: cuts.map(({ sequence }) => sequence) }).toEqual({ code: 1, ok: false, fault: undefined, cuts: [11] });
  });
});

async function verdictOf(daemon: TestDaemon, ...file: string[]): Promise<AuditVerdict & { code: number }> {
  const { stdout, code } = await daemon.ctl('audit', '--json', '--verify', ...file);
  return { ...(JSON.parse(stdout) as AuditVerdict), code };
}

function idOfViewer({ stdout }: { stdout: string }): string {
  const { tokens } = JSON.parse(stdout) as { tokens: { id: string; role: string }[] };
  return tokens.find(({ role }) => role === 'viewer')?.id ?? '';
}

function idOfProposal({ stdout }: { stdout: string }): string {
  const { proposals } = JSON.parse(stdout) as { proposals: { id: string; state: string }[] };
  return proposals.find(({ state }) => state === 'open' || state === 'waiting')?.id ?? proposals[0]?.id ?? '';
}
