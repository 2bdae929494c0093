import { readdirSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { noUsage, type UsageFigures } from '../../../src/protocol/usage-calls.ts';
import { UsageBook } from '../../../src/daemon/usage-book.ts';
import { hourMs, openUsageRows, type UsageRows } from '../../../src/daemon/usage-rows.ts';
import { createRecordingLog } from './recording-log.ts';
import { temporaryFolder } from './temporary-folder.ts';

const march = Date.UTC(2026, 2, 31, 23, 59, 58);
const april = Date.UTC(2026, 3);

interface World {
  book: UsageBook;
  rows: UsageRows;
  clock: { nowMs: number };
  failing: { is: boolean };
  /** Killed: what was not written is gone. */
  restart(): World;
}

function openWorld(folder = temporaryFolder(), nowMs = march): World {
  const { log } = createRecordingLog();
  const rows = openUsageRows(`${folder}/usage.db`, log);
  const clock = { nowMs };
  const failing = { is: false };
  const write: UsageRows['write'] = (...words) => {
    if (failing.is) throw new Error('the disk is full');
    rows.write(...words);
  };
  const book = new UsageBook({ rows: { ...rows, write }, log, nowMs: () => clock.nowMs });
  return { book, rows, clock, failing, restart: () => (rows.close(), openWorld(folder, clock.nowMs)) };
}

function note({ book }: World, app: string, used: Partial<UsageFigures>): void {
  book.begin();
  book.add('acme', app, used);
}

function written({ rows }: World, by: 'month' | 'day' | 'hour' = 'hour') {
  const query = { tenant: 'acme', from: 0, to: 2 ** 31, by, byApp: true, limit: 100, offset: 0 };
  return rows.find(query).map(({ app, from, figures }) => ({ app, from: from * hourMs, ...figures }));
}

describe('what was used', () => {
  test('is added up by app and hour', () => {
    const world = openWorld();
    note(world, 'site', { requests: 2, cpuSeconds: 0.5 });
    note(world, '', { diskGibHours: 0.25 });
    note(world, 'site', { requests: 1, bytesIn: 7 });
    world.book.write();
    note(world, 'site', { requests: 1 });
    world.book.write();
    const from = march - (march % hourMs);
    expect(written(world)).toEqual([
      { ...noUsage, app: '', from, diskGibHours: 0.25 },
      { ...noUsage, app: 'site', from, requests: 4, cpuSeconds: 0.5, bytesIn: 7 },
    ]);
    expect(world.book.totalOf('acme', 'site')).toMatchObject({ requests: 4, cpuSeconds: 0.5 });
  });

  test('belongs to the hour in which it was noted, at the end of a month too', () => {
    const world = openWorld();
    note(world, 'site', { requests: 1 });
    world.clock.nowMs = april;
    note(world, 'site', { requests: 10 });
    world.book.write();
    expect(written(world).map(({ from, requests }) => [from, requests])).toEqual([
      [april - hourMs, 1],
      [april, 10],
    ]);
  });

  test('is counted once though the clock is set back', () => {
    const world = openWorld();
    note(world, 'site', { requests: 1 });
    world.clock.nowMs = april;
    note(world, 'site', { requests: 1 });
    world.clock.nowMs = march;
    note(world, 'site', { requests: 1 });
    world.book.write();
    expect(written(world).map(({ requests }) => requests)).toEqual([2, 1]);
  });

  test('waits when it can not be written, as one hour, and is told', async () => {
    const world = openWorld();
    world.failing.is = true;
    note(world, 'site', { requests: 1 });
    const done = world.book.untilWritten();
    world.book.write();
    world.clock.nowMs = april;
    note(world, 'site', { requests: 1 });
    expect(written(world)).toEqual([]);
    expect(world.book.problems().map(({ message }) => message)).toEqual(['what tenants used can not be written: the disk is full']);
    world.failing.is = false;
    world.book.write();
    await done;
    expect(written(world).map(({ requests }) => requests)).toEqual([2]);
    expect(world.book.problems()).toEqual([]);
  });
});

describe('a counter that only grows', () => {
  test('brings what it grew by, and all of it when it begins anew', () => {
    const { book } = openWorld();
    expect([5, 5, 7, 3, 4].map((value) => book.growthOf('acme', 'cpu', value))).toEqual([5, 0, 2, 3, 1]);
  });

  test('is counted on by the next daemon from where it was written', () => {
    const world = openWorld();
    note(world, '', { cpuSeconds: world.book.growthOf('acme', 'cpu', 5) });
    world.book.write();
    // Not written: the next one counts it.
    note(world, '', { cpuSeconds: world.book.growthOf('acme', 'cpu', 6) });
    const next = world.restart();
    note(next, '', { cpuSeconds: next.book.growthOf('acme', 'cpu', 8) });
    next.book.write();
    expect(written(next).map(({ cpuSeconds }) => cpuSeconds)).toEqual([8]);
  });

  test('that is gone is forgotten, for the next daemon too', () => {
    const world = openWorld();
    world.book.begin();
    world.book.mark('acme', 'cpu', 5);
    world.book.write();
    world.book.forget('acme', 'cpu');
    world.book.write();
    expect(world.restart().book.allMarks()).toEqual([]);
  });
});

describe('the database', () => {
  test('knows the tenants in order, and sums by month and day', () => {
    const world = openWorld();
    for (const tenant of ['globex', 'acme', 'initech']) {
      world.book.begin();
      world.book.add(tenant, 'site', { requests: 1 });
    }
    world.clock.nowMs = march - hourMs;
    note(world, 'site', { requests: 4 });
    world.book.write();
    expect(world.rows.tenantsAfter('')).toEqual(['acme', 'globex', 'initech']);
    expect(world.rows.tenantsAfter('acme')).toEqual(['globex', 'initech']);
    expect(written(world, 'day').map(({ from, requests }) => [from, requests])).toEqual([[Date.UTC(2026, 2, 31), 5]]);
    expect(written(world, 'month').map(({ requests }) => requests)).toEqual([5]);
  });

  test('gives parts', () => {
    const world = openWorld();
    for (const app of ['a', 'b', 'c']) note(world, app, { requests: 1 });
    world.book.write();
    const part = { tenant: 'acme', from: 0, to: 2 ** 31, by: 'hour', byApp: true } as const;
    expect(world.rows.find({ ...part, limit: 2, offset: 0 }).map(({ app }) => app)).toEqual(['a', 'b']);
    expect(world.rows.find({ ...part, limit: 2, offset: 2 }).map(({ app }) => app)).toEqual(['c']);
  });

  test('loses what is older than it is kept', () => {
    const world = openWorld();
    note(world, 'site', { requests: 1 });
    world.clock.nowMs = april;
    note(world, 'site', { requests: 2 });
    world.book.write();
    world.rows.removeBefore(april / hourMs);
    expect(written(world).map(({ requests }) => requests)).toEqual([2]);
  });

  test('that is damaged is put aside, and begun anew', () => {
    const folder = temporaryFolder();
    writeFileSync(`${folder}/usage.db`, 'no database '.repeat(1_000));
    const world = openWorld(folder);
    expect(world.book.problems().map(({ code }) => code)).toEqual(['TENANTD_E_STATE']);
    note(world, 'site', { requests: 1 });
    world.book.write();
    expect(written(world)).toHaveLength(1);
    expect(readdirSync(folder).some((name) => name.startsWith('usage.db.damaged-'))).toBe(true);
  });
});
