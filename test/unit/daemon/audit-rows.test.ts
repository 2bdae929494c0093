import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAuditAnchor } from '../../../src/daemon/audit-anchor.ts';
import { type AuditRows, auditTables, createAuditRows } from '../../../src/daemon/audit-rows.ts';
import { wrapDatabase } from '../../../src/daemon/state-database.ts';
import { inTransaction } from '../../../src/daemon/transaction.ts';
import type { AuditEntry } from '../../../src/protocol/audit-chain.ts';
import { temporaryFolder } from './temporary-folder.ts';

let raw: DatabaseSync;
let anchorFile: string;

const entry = (number: number): AuditEntry => ({
  tenant: ['', 'acme', 'globex'][number % 3] ?? '',
  time: new Date(1_700_000_000_000 + number * 1_000).toISOString(),
  actor: number % 2 === 0 ? 'operator' : 'files',
  action: number === 77 ? 'rare' : 'app-stop',
  before: '{}',
  after: JSON.stringify({ number }),
  outcome: 'done',
});

beforeEach(() => {
  raw = new DatabaseSync(':memory:');
  raw.exec(`CREATE TABLE audit (tenant TEXT NOT NULL, sequence INTEGER NOT NULL UNIQUE, time TEXT NOT NULL, actor TEXT NOT NULL,
    action TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, outcome TEXT NOT NULL, previous_hash TEXT NOT NULL, hash TEXT NOT NULL,
    PRIMARY KEY (tenant, sequence)) STRICT; ${auditTables}`);
  anchorFile = `${temporaryFolder()}/audit.head`;
});

afterEach(() => raw.close());

const open = (): AuditRows => createAuditRows(wrapDatabase(raw), createAuditAnchor(anchorFile));

function filled(count: number): AuditRows {
  const rows = open();
  inTransaction(wrapDatabase(raw), () => {
    for (let number = 1; number <= count; number += 1) rows.append(entry(number));
  });
  rows.keepHead();
  return rows;
}

function readAll(rows: AuditRows, query: Omit<Parameters<AuditRows['list']>[0], 'limit' | 'from'>, limit = 100): number[] {
  const read: number[] = [];
  for (let from: number | undefined; ;) {
    const page = rows.list({ ...query, limit, from });
    read.push(...page.records.map(({ sequence }) => sequence));
    if (page.next === undefined) return read;
    from = page.next;
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at);

describe('a page of the trail', () => {
  test('after the other is all of it, either way, also where nothing in thousands fits', () => {
    const rows = filled(12_000);
    expect(readAll(rows, { order: 'oldest' }, 500)).toEqual(range(1, 12_000));
    expect(readAll(rows, { order: 'newest' }, 499)).toEqual(range(1, 12_000).toReversed());
    expect(readAll(rows, { order: 'newest', action: 'rare' })).toEqual([77]);
    expect(readAll(rows, { order: 'oldest', action: 'never' })).toEqual([]);
  });

  test('has one tenant, one actor, a time', () => {
    const rows = filled(60);
    expect(readAll(rows, { order: 'oldest', tenant: 'acme' }, 7)).toEqual(range(1, 60).filter((number) => number % 3 === 1));
    expect(readAll(rows, { order: 'oldest', actor: 'files' }, 7)).toEqual(range(1, 60).filter((number) => number % 2 === 1));
    rows.append({ ...entry(1), actor: 'token 7k2mq3 (deployer of acme)' });
    rows.append({ ...entry(1), actor: 'token 7k2mq3x (deployer of acme)' });
    expect(readAll(rows, { order: 'oldest', actor: 'token 7k2mq3' })).toEqual([61]);
    expect(readAll(rows, { order: 'oldest', since: entry(20).time, until: entry(30).time })).toEqual(range(20, 30));
  });

  test('has bounded records: of what is long, its begin and its digest', () => {
    const rows = open();
    rows.append({ ...entry(1), before: JSON.stringify({ names: 'x'.repeat(1 << 20) }), outcome: 'y'.repeat(10_000) });
    const [record] = rows.list({ order: 'oldest', limit: 1 }).records;
    expect(JSON.stringify(record).length).toBeLessThan(4_000);
    expect(JSON.parse(record?.before ?? '')).toEqual({
      begins: expect.stringMatching(/^\{"names":"x+$/) as string,
      bytes: 1_048_588,
      sha256: expect.any(String) as string,
    });
    expect(rows.findFault()).toBeUndefined();
  });
});

describe('the head that is kept', () => {
  test('is that of the last record, also for the next daemon', () => {
    const rows = filled(3);
    rows.append(entry(4));
    expect(rows.kept()).toEqual(rows.head());
    expect(open().kept()).toEqual(rows.head());
    expect(rows.head()?.sequence).toBe(4);
  });

  test.each([
    ['cut off', 'DELETE FROM audit WHERE sequence > 5'],
    ['emptied', 'DELETE FROM audit'],
    ['replaced', "UPDATE audit SET hash = 'another' WHERE sequence = 8"],
  ])('shows, before anything else is written, that the end was %s', (_, sql) => {
    filled(8);
    raw.exec(sql);
    const rows = open();
    rows.append(entry(9));
    const [last, cut] = rows.list({ order: 'newest', limit: 2 }).records;
    expect(last).toMatchObject({ after: entry(9).after });
    expect(cut).toMatchObject({ actor: 'tenantd', action: 'audit-cut', tenant: '' });
    expect(JSON.parse(cut?.before ?? '')).toMatchObject({ kept: { sequence: 8 } });
    // Once.
    rows.append(entry(10));
    expect(readAll(rows, { order: 'oldest', action: 'audit-cut' })).toHaveLength(1);
  });

  test('is no alarm where a daemon was killed before it kept it, where there is none, or where a restored state says so', () => {
    filled(3);
    const before = readFileSync(anchorFile);
    open().append(entry(4));
    writeFileSync(anchorFile, before);
    open().append(entry(5));
    writeFileSync(anchorFile, 'torn');
    open().append(entry(6));
    rmSync(anchorFile);
    open().append(entry(7));
    raw.exec('DELETE FROM audit WHERE sequence > 5');
    open().append({ ...entry(8), actor: 'tenantd', action: 'state-restored' });
    expect(readAll(open(), { order: 'oldest', action: 'audit-cut' })).toEqual([]);
    expect(open().findFault()).toBeUndefined();
  });

  test('does not go ahead of a transaction that is taken back', () => {
    const rows = filled(3);
    expect(() =>
      inTransaction(wrapDatabase(raw), () => {
        rows.append(entry(4));
        throw new Error('taken back');
      }),
    ).toThrow('taken back');
    expect(rows.kept()?.sequence).toBe(3);
  });
});

describe('a change that was begun', () => {
  const begun = { tenant: 'acme', actor: 'operator', action: 'secret-set', before: '{"setAt":null}' };

  test('is one record when it ended', () => {
    const rows = open();
    rows.begin(begun)('{"setAt":1}', 'done');
    rows.endLeft();
    expect(rows.list({ order: 'oldest', limit: 9 }).records).toMatchObject([{ ...begun, after: '{"setAt":1}', outcome: 'done' }]);
  });

  test('is on record when the daemon ended before it did', () => {
    open().begin(begun);
    open().begin({ ...begun, tenant: '' });
    const next = open();
    next.endLeft();
    next.endLeft();
    const { records } = next.list({ order: 'oldest', limit: 9 });
    expect(records.map(({ tenant, before, outcome }) => [tenant, before, outcome.split(':')[0]])).toEqual([
      ['acme', begun.before, 'unknown'],
      ['', begun.before, 'unknown'],
    ]);
  });
});
