import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { StubDns } from '../support/stub-dns.ts';
import { startTestDaemon, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';
import { setSecret } from '../support/set-secret.ts';
import { exec } from './shell-support.ts';
import { openFolder } from './token-support.ts';

/** Of the neighbour; nothing that the attacker is told may have one of these words in it. */
export const treasures = { secret: 'crown-jewels-4711', data: 'ledger-of-beta-0815', domain: 'beta.test', app: 'vault' };

/** What alpha's app prints. */
export const forgedMark = 'forged-by-alpha';
const forgedLines = [
  `\u001b]0;${forgedMark}\u0007\u001b[2J\u001b[1;1Hbeta/vault ${forgedMark}`,
  `{"tenant":"beta","app":"vault","line":"${forgedMark}"}`,
  `\r2026-01-01T00:00:00.000Z beta/vault#1 ${forgedMark}\u0000\u2028beta/vault ${forgedMark}`,
  `MESSAGE=${forgedMark}\nTENANTD_TENANT=beta\n_UID=0`,
].join('\n');

const server = (text: string, printed: string): string =>
  `console.log(${JSON.stringify(printed)});\nrequire('node:http').createServer((_, response) => response.end('${text}')).listen(1);\n`;
const schedule = 'schedule: [{ name: nightly, cron: "0 3 * * *", path: / }]\n';

function tenant(name: string, app: string, yaml = ''): TenantFiles {
  return {
    'tenant.yaml': `domains: [${name}.test]\n${yaml}`,
    [`apps/${app}/app.yaml`]: `kind: node\nentry: server.js\ndrain: 1s\n${schedule}`,
    [`apps/${app}/server.js`]: server(name, name === 'alpha' ? forgedLines : 'up'),
  };
}

/** alpha, whose admin attacks; beta, who has everything that can be wanted; and gamma, to whom beta lends something. */
export async function startAttackedDaemon(dns: StubDns): Promise<TestDaemon> {
  const grants = 'grants: [{ to: gamma, app: vault, access: http }, { to: gamma, path: /data/shared, access: read }]\n';
  const daemon = await startTestDaemon({
    https: true,
    // Nobody is asked but the stub.
    config: `acme: { directories: ["https://127.0.0.1:9/"], challenges: [http-01], resolvers: ["127.0.0.1:${dns.port}"] }`,
    tenants: {
      alpha: tenant('alpha', 'site'),
      beta: tenant('beta', treasures.app, grants),
      gamma: tenant('gamma', 'site'),
    },
  });
  try {
    openFolder(daemon);
    await daemon.untilApps(['alpha/site', 'beta/vault', 'gamma/site']);
    await setSecret(daemon, 'beta/vault', 'DB_PASSWORD', treasures.secret);
    await exec(daemon, 'beta/vault', `echo ${treasures.data} > /data/ledger; echo ${treasures.data} > /data/shared/lent`);
    await daemon.ctl('app', 'deploy', 'beta/vault', `${daemon.tenantsDir}/beta/apps/vault`);
    await daemon.ctl('app', 'deploy', 'alpha/site', `${daemon.tenantsDir}/alpha/apps/site`);
    await daemon.untilApps(['alpha/site', 'beta/vault', 'gamma/site']);
    return daemon;
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw error;
  }
}

/** What is left of a tenant's when somebody else was there: files, what runs, and all rows but those that count its use. */
export async function footprintOf(daemon: TestDaemon, name: string): Promise<Record<string, unknown>> {
  const {
    memoryBytes: _memory,
    cpuSeconds: _cpu,
    diskBytes: _disk,
    files: _files,
    network: _network,
    apps,
    ...status
  } = await daemon.tenant(name);
  const stable = apps.map((app) => ({ ...app, workers: app.workers.map(({ pid, state }) => ({ pid, state })) }));
  return {
    status: { ...status, apps: stable },
    folder: hashesBelow(`${daemon.tenantsDir}/${name}`),
    data: hashesBelow(daemon.dataOf(name)),
    rows: rowsOf(daemon, name),
  };
}

function hashesBelow(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    // What Node compiled of an app, which a new worker does anew.
    if (entry.includes('/.cache/tenantd/')) continue;
    const path = join(folder, entry);
    const { mode, uid, gid } = lstatSync(path);
    found[entry] = `${mode.toString(8)} ${uid}:${gid} ${contentOf(path)}`;
  }
  return found;
}

function contentOf(path: string): string {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) return readlinkSync(path);
  return stat.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : '';
}

const counted = new Set(['usage_hours', 'usage_marks']);

function rowsOf(daemon: TestDaemon, name: string): Record<string, unknown[]> {
  using database = new DatabaseSync(`${daemon.directory}/state/state.db`, { readOnly: true });
  const tables = database
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
    .all()
    .map((row) => String(row['name']));
  const owned = tables.filter(
    (table) =>
      !counted.has(table) && database.prepare('SELECT 1 FROM pragma_table_info(?) WHERE name = ?').get(table, 'tenant') !== undefined,
  );
  return Object.fromEntries(owned.map((table) => [table, database.prepare(`SELECT * FROM ${table} WHERE tenant = ?`).all(name)]));
}
