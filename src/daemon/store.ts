import type { AppName, TenantName } from '../base/ids.ts';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { AuditEntry, AuditRecord } from '../protocol/audit-chain.ts';
import type { AuditAnchor } from './audit-anchor.ts';
import { type AuditRows, createAuditRows } from './audit-rows.ts';
import { tenantFileEntry } from './file-trail.ts';
import { forgetTenant } from './forget-tenant.ts';
import { createFaultRows, type FaultRows } from './fault-rows.ts';
import { createDomainProofRows, type DomainProofRows } from './domain-proof-rows.ts';
import { createLifecycleRows, type LifecycleRows } from './lifecycle-rows.ts';
import { createProposalRows, type ProposalRows } from './proposal-rows.ts';
import { createReleaseRows, type ReleaseRows } from './release-rows.ts';
import { createScheduleRows, type ScheduleRows } from './schedule-rows.ts';
import { createSecretRows, type SecretRows } from './secret-rows.ts';
import { type StateDatabase, wrapDatabase } from './state-database.ts';
import { createTenantMarkRows, type TenantMarkRows } from './tenant-marks.ts';
import { openDatabase } from './state-schema.ts';
import { createTemplateRows, type TemplateRows } from './template-rows.ts';
import { createTokenRows, type TokenRows } from './token-rows.ts';
import { inTransaction } from './transaction.ts';
import type { GivenUid, UidJournal } from './uid-journal.ts';
import { upsert } from './upsert.ts';

/** What is remembered of one app: its last good manifest (as checked JSON) and which workers are current. */
export interface StoredApp {
  manifest: unknown;
  /** Hash of all that a worker is started from; when it changes, `generation` grows. */
  generationKey: string;
  generation: number;
  /** That the manifest is of. */
  release: string;
}

/**
 * The daemon's durable state. Every record has its tenant in its primary key (Invariant 8); `''` stands for the daemon itself.
 * Written in transactions with full synchronisation: what was acknowledged survives a crash and a power cut.
 */
export interface Store {
  /**
   * The uid of a tenant's host (`app` is '') or app; made at first use, never used again (Invariant 10). `present` is the uid
   * of a Unix user of the tenant's name, left by an earlier state: it is taken if it is in the range and nobody else's.
   */
  uidOf(tenant: TenantName, app: AppName | '', present?: number): number;
  /** Undefined: it was never given one. */
  knownUid(tenant: TenantName): number | undefined;
  /** All of them. */
  givenUids(): GivenUid[];
  /** Last good tenant.yaml, as the text that was read. */
  configTextOf(tenant: TenantName): string | undefined;
  /** All of them or, when it throws, none. */
  setConfigTexts(texts: Iterable<readonly [TenantName, string]>): void;
  tenantsWithConfig(): TenantName[];
  /** Who has each domain: kept while the tenant lists it, also while its files are broken. */
  domainOwners(): Map<string, TenantName>;
  replaceDomainOwners(owners: ReadonlyMap<string, string>): void;
  appOf(tenant: TenantName, app: AppName): StoredApp | undefined;
  setApp(tenant: TenantName, app: AppName, stored: StoredApp): void;
  readonly faults: FaultRows;
  readonly domainProofs: DomainProofRows;
  readonly lifecycle: LifecycleRows;
  readonly marks: TenantMarkRows;
  readonly proposals: ProposalRows;
  readonly releases: ReleaseRows;
  readonly schedules: ScheduleRows;
  readonly templates: TemplateRows;
  readonly tokens: TokenRows;
  /** Sealed: what opens them is not in here. */
  readonly secrets: SecretRows;
  /** Everything of it but what lasts: its uids, which nobody gets again, the audit trail, and what it is billed by. */
  forgetTenant(tenant: TenantName): void;
  /** What is written within is written at once, and with one wait for the disk. Throws when it is not. */
  together(work: () => void): void;
  readonly audit: AuditRows;
  appendAudit(entry: AuditEntry): AuditRecord;
  /** False when a record was edited, cut out or put elsewhere. */
  verifyAudit(): boolean;
  /** After it was put back: no worker that lives may be taken for one of a generation that comes. */
  skipGenerations(): void;
  /** Throws TENANTD_E_STATE while nothing can be written: before what can't be taken back. */
  assertWritable(): void;
  close(): void;
}

export interface UidRange {
  first: number;
  count: number;
  /** Of another program's users: not to be given out. */
  isTaken(uid: number): boolean;
  /** What was given, whatever the database knows of it. */
  journal?: UidJournal;
}

/** Throws TENANTD_E_STATE when the file can't be opened, is no state store, or is from a version that this one can't use. */
export function openStore(file: string, uids: UidRange): Store {
  return naming(file, () => createStore(wrapDatabase(openDatabase(file).database), uids));
}

/** An error that says which file can't be used. */
export function naming<Result>(file: string, open: () => Result): Result {
  try {
    return open();
  } catch (error) {
    if (error instanceof TenantdError) throw error;
    const fix = `move ${file} away and restore it from a backup; nothing was changed`;
    throw new TenantdError('TENANTD_E_STATE', `the state store ${file} can't be used: ${messageOf(error)}`, fix, { cause: error });
  }
}

/** More than any app had since the copy was made. */
const skippedGenerations = 100_000;
const configSql = upsert('configs', ['tenant'], ['text']);
const appSql = upsert('apps', ['tenant', 'app'], ['manifest', 'generation_key', 'generation', 'release']);

export function createStore(database: StateDatabase, uids: UidRange, anchor?: AuditAnchor): Store {
  const audit = createAuditRows(database, anchor);
  const one = (sql: string, ...values: (string | number)[]): Record<string, unknown> | undefined => database.prepare(sql).get(...values);
  const all = (sql: string): Record<string, unknown>[] => database.prepare(sql).all();
  const run = (sql: string, ...values: (string | number)[]): void => void database.prepare(sql).run(...values);

  function newUid(): number {
    const highest = Number(one('SELECT max(uid) AS uid FROM uids')?.['uid'] ?? 0);
    for (let uid = Math.max(highest + 1, (uids.journal?.highest() ?? 0) + 1, uids.first); uid < uids.first + uids.count; uid++)
      if (!uids.isTaken(uid)) return uid;
    throw new TenantdError(
      'TENANTD_E_USER',
      `all ${uids.count} uids from ${uids.first} on are used`,
      'give a larger range as uids.count in tenantd.yaml',
    );
  }

  function isFree(uid: number | undefined): uid is number {
    return uid !== undefined && uid >= uids.first && uid < uids.first + uids.count && isUnused(uid);
  }

  function isUnused(uid: number): boolean {
    return one('SELECT 1 FROM uids WHERE uid = ?', uid) === undefined;
  }

  function knownUid(tenant: TenantName, app: AppName | ''): number | undefined {
    const row = one('SELECT uid FROM uids WHERE tenant = ? AND app = ?', tenant, app);
    return row && Number(row['uid']);
  }

  /** Given to it by a database that is newer than this one. */
  function journalledUid(tenant: TenantName, app: AppName | ''): number | undefined {
    const uid = uids.journal?.uidOf(tenant, app);
    return uid !== undefined && isUnused(uid) ? uid : undefined;
  }

  function configTextOf(tenant: TenantName): string | undefined {
    return one('SELECT text FROM configs WHERE tenant = ?', tenant)?.['text'] as string | undefined;
  }

  function domainOwners(): Map<string, TenantName> {
    return new Map(all('SELECT tenant, domain FROM domains').map((row) => [String(row['domain']), row['tenant'] as TenantName]));
  }

  return {
    knownUid: (tenant) => knownUid(tenant, ''),
    uidOf: (tenant, app, present) =>
      knownUid(tenant, app) ??
      inTransaction(database, () => {
        const uid = knownUid(tenant, app) ?? journalledUid(tenant, app) ?? (isFree(present) ? present : newUid());
        run('INSERT OR IGNORE INTO uids (tenant, app, uid) VALUES (?, ?, ?)', tenant, app, uid);
        uids.journal?.add([{ tenant, app, uid }]);
        return uid;
      }),

    givenUids: () =>
      all('SELECT tenant, app, uid FROM uids').map(({ tenant, app, uid }) => ({
        ...{ tenant: String(tenant), app: String(app), uid: Number(uid) },
      })),

    configTextOf,
    setConfigTexts(texts) {
      inTransaction(database, () => {
        for (const [tenant, text] of texts) {
          audit.append(tenantFileEntry(tenant, configTextOf(tenant), text));
          run(configSql, tenant, text);
        }
      });
      audit.keepHead();
    },
    tenantsWithConfig: () => all('SELECT tenant FROM configs ORDER BY tenant').map((row) => row['tenant'] as TenantName),

    domainOwners,
    replaceDomainOwners: (owners) =>
      inTransaction(database, () => {
        const left = domainOwners();
        for (const [domain, tenant] of owners) {
          const before = left.get(domain);
          left.delete(domain);
          if (before === tenant) continue;
          if (before !== undefined) run('DELETE FROM domains WHERE domain = ?', domain);
          run('INSERT INTO domains (tenant, domain) VALUES (?, ?)', tenant, domain);
        }
        for (const domain of left.keys()) run('DELETE FROM domains WHERE domain = ?', domain);
      }),

    appOf(tenant, app) {
      const row = one('SELECT manifest, generation_key, generation, release FROM apps WHERE tenant = ? AND app = ?', tenant, app);
      return (
        row && {
          manifest: parseStored(String(row['manifest'])),
          generationKey: String(row['generation_key']),
          generation: Number(row['generation']),
          release: String(row['release']),
        }
      );
    },
    setApp: (tenant, app, stored) =>
      run(appSql, ...[tenant, app, JSON.stringify(stored.manifest), stored.generationKey, stored.generation, stored.release]),

    faults: createFaultRows(database),
    domainProofs: createDomainProofRows(database),
    lifecycle: createLifecycleRows(database),
    marks: createTenantMarkRows(database),
    proposals: createProposalRows(database),
    releases: createReleaseRows(database),
    schedules: createScheduleRows(database),
    templates: createTemplateRows(database),
    tokens: createTokenRows(database),
    secrets: createSecretRows(database),

    forgetTenant: (tenant) => forgetTenant(database, tenant, uids.journal),
    together: (work) => inTransaction(database, work),
    audit,
    appendAudit: (entry) => audit.append(entry),
    verifyAudit: () => audit.findFault() === undefined,

    skipGenerations: () => run(`UPDATE apps SET generation = generation + ${skippedGenerations}`),
    assertWritable: () =>
      run("INSERT INTO seals (tenant, id, previous, at) VALUES ('', '', '', '') ON CONFLICT (tenant) DO UPDATE SET at = at"),

    close: () => database.close(),
  };
}

/** Undefined for what is no JSON any more: it counts as never read. */
export function parseStored(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
