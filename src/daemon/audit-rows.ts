import { hash as digest } from 'node:crypto';
import { AuditChain, sealEntry, type AuditEntry, type AuditFault, type AuditHead, type AuditRecord } from '../protocol/audit-chain.ts';
import type { AuditAnchor } from './audit-anchor.ts';
import type { StateDatabase } from './state-database.ts';
import { inTransaction } from './transaction.ts';

/** Rows of the audit trail. */
export interface AuditRows {
  append(entry: AuditEntry): AuditRecord;
  /** Throws when it can't be written. What is not ended when the daemon is, is on record all the same. */
  begin(entry: BegunEntry): (after: string, outcome: string) => void;
  /** What the daemon before this one began, and did not end. */
  endLeft(): void;
  /** After a transaction in which records were appended. */
  keepHead(): void;
  list(query: AuditQuery): AuditPage;
  head(): AuditHead | undefined;
  /** Of the last record that was written, as it was kept apart. */
  kept(): AuditHead | undefined;
  /** Undefined when all of them are as they were written. */
  findFault(): AuditFault | undefined;
}

export type BegunEntry = Omit<AuditEntry, 'time' | 'after' | 'outcome'>;

export interface AuditQuery {
  order: 'oldest' | 'newest';
  /** Beyond this sequence, in that order. */
  from?: number | undefined;
  limit: number;
  tenant?: string | undefined;
  actor?: string | undefined;
  action?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
}

export interface AuditPage {
  records: AuditRecord[];
  next?: number;
}

/** Changes that are under way. */
export const auditTables = `
  CREATE TABLE audit_begun (tenant TEXT NOT NULL, id INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, before TEXT NOT NULL,
    PRIMARY KEY (tenant, id)) STRICT;`;

const columns = ['tenant', 'sequence', 'time', 'actor', 'action', 'before', 'after', 'outcome', 'previous_hash', 'hash'];
const insertSql = `INSERT INTO audit (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
/** So many records are looked at in one go, whatever fits: everybody else waits meanwhile. */
const lookedAt = 5_000;
/** A record is a summary, and a page of them one answer. */
const textBytes = 4_096;
const shownCharacters = 1_000;
/** Of a record that the end of the trail was cut off before it. */
const cutAction = 'audit-cut';
/** What became of it can be seen by what is there now. */
const leftOutcome = 'unknown: tenantd ended before it was told how it ended';
/** Another record that says so. */
const restoredAction = 'state-restored';

export function createAuditRows(database: StateDatabase, anchor?: AuditAnchor): AuditRows {
  function head(): AuditHead | undefined {
    const last = database.prepare('SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1').get();
    return last && { sequence: Number(last['sequence']), hash: String(last['hash']) };
  }

  function add(entry: AuditEntry): AuditRecord {
    const last = head();
    const record = sealEntry(bounded(entry), (last?.sequence ?? 0) + 1, last?.hash ?? '');
    const { tenant, sequence, time, actor, action, before, after, outcome, previousHash, hash } = record;
    database.prepare(insertSql).run(...[tenant, sequence, time, actor, action], ...[before, after, outcome, previousHash, hash]);
    return record;
  }

  /** The record that was kept is not there any more: what comes next would stand in its place, and nobody would know. */
  function noteCut(next: AuditEntry): void {
    const kept = anchor?.kept();
    if (!kept || next.action === restoredAction) return;
    if (database.prepare('SELECT hash FROM audit WHERE sequence = ?').get(kept.sequence)?.['hash'] === kept.hash) return;
    const texts = { before: JSON.stringify({ kept }), after: JSON.stringify({ found: head() ?? null }) };
    add({ tenant: '', time: next.time, actor: 'tenantd', action: cutAction, ...texts, outcome: 'found' });
  }

  function list({ order, from, limit, tenant, ...filters }: AuditQuery): AuditPage {
    const [beyond, way] = order === 'oldest' ? ['>', 'ASC'] : ['<', 'DESC'];
    const start = from ?? (order === 'oldest' ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER);
    const [ofTenant, place] = tenant === undefined ? ['', [start]] : ['tenant = ? AND ', [tenant, start]];
    const wanted = [...conditions(filters)];
    const most = wanted.length === 0 ? limit : lookedAt;
    const window = `FROM audit WHERE ${ofTenant}sequence ${beyond} ? ORDER BY sequence ${way} LIMIT ${most}`;
    const filter = wanted.length === 0 ? '' : `WHERE ${wanted.map(([sql]) => sql).join(' AND ')}`;
    const records = database
      .prepare(`SELECT * FROM (SELECT * ${window}) ${filter} ORDER BY sequence ${way} LIMIT ?`)
      .all(...place, ...wanted.flatMap(([, ...values]) => values), limit)
      .map(toRecord);
    if (records.length === limit) return { records, next: records.at(-1)?.sequence ?? start };
    // Undefined where no record is behind those that were looked at.
    const [last] = database.prepare(`SELECT sequence FROM (SELECT sequence ${window}) LIMIT 1 OFFSET ${most - 1}`).all(...place);
    return { records, ...(last && { next: Number(last['sequence']) }) };
  }

  function keepHead(): void {
    // What is not ended yet could still be taken back.
    const last = database.isInTransaction() ? undefined : head();
    if (last) anchor?.keep(last);
  }

  function append(entry: AuditEntry): AuditRecord {
    const record = inTransaction(database, () => {
      noteCut(entry);
      return add(entry);
    });
    keepHead();
    return record;
  }

  function end(id: number, entry: AuditEntry): void {
    inTransaction(database, () => {
      database.prepare('DELETE FROM audit_begun WHERE tenant = ? AND id = ?').run(entry.tenant, id);
      append(entry);
    });
    keepHead();
  }

  return {
    append,
    begin({ tenant, actor, action, before }) {
      const id = Number(database.prepare('SELECT max(id) AS id FROM audit_begun').get()?.['id'] ?? 0) + 1;
      database
        .prepare('INSERT INTO audit_begun (tenant, id, actor, action, before) VALUES (?, ?, ?, ?, ?)')
        .run(tenant, id, actor, action, boundedJson(before));
      return (after, outcome) => end(id, { tenant, actor, action, before, after, outcome, time: new Date().toISOString() });
    },
    endLeft() {
      for (const { id, ...row } of database.prepare('SELECT * FROM audit_begun ORDER BY id').all()) {
        const entry = {
          tenant: String(row['tenant']),
          actor: String(row['actor']),
          action: String(row['action']),
          before: String(row['before']),
        };
        end(Number(id), { ...entry, after: 'null', outcome: leftOutcome, time: new Date().toISOString() });
      }
    },
    keepHead,
    list,
    head,
    kept: () => anchor?.kept(),
    findFault() {
      const chain = new AuditChain(1);
      for (let from: number | undefined = Number.MIN_SAFE_INTEGER; from !== undefined;) {
        const page = list({ order: 'oldest', from, limit: lookedAt });
        for (const record of page.records) {
          const fault = chain.add(record);
          if (fault) return fault;
        }
        from = page.next;
      }
      return undefined;
    },
  };
}

function* conditions({
  actor,
  action,
  since,
  until,
}: Pick<AuditQuery, 'actor' | 'action' | 'since' | 'until'>): Generator<[string, ...string[]]> {
  // `token 7k2mq3` is `token 7k2mq3 (deployer of acme)`, too.
  if (actor !== undefined) yield ["substr(actor || ' ', 1, length(?) + 1) = ? || ' '", actor, actor];
  if (action !== undefined) yield ['action = ?', action];
  if (since !== undefined) yield ['time >= ?', since];
  if (until !== undefined) yield ['time <= ?', until];
}

function bounded(entry: AuditEntry): AuditEntry {
  const { before, after, outcome } = entry;
  return { ...entry, before: boundedJson(before), after: boundedJson(after), outcome: outcome.slice(0, shownCharacters) };
}

/** Of what is too long, what tells whether two are the same. */
function boundedJson(text: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes <= textBytes) return text;
  return JSON.stringify({ begins: text.slice(0, shownCharacters), bytes, sha256: digest('sha256', text) });
}

function toRecord(row: Record<string, unknown>): AuditRecord {
  const text = (name: string): string => String(row[name]);
  return {
    sequence: Number(row['sequence']),
    previousHash: text('previous_hash'),
    ...{ tenant: text('tenant'), time: text('time'), actor: text('actor'), action: text('action') },
    ...{ before: text('before'), after: text('after'), outcome: text('outcome'), hash: text('hash') },
  };
}
