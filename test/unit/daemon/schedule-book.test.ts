import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import type { ScheduleSpec } from '../../../src/config/app-manifest.ts';
import { createScheduleBook, type ScheduleBook } from '../../../src/daemon/schedule-book.ts';
import { createScheduleRows, type ScheduleRows, scheduleTables } from '../../../src/daemon/schedule-rows.ts';
import { wrapDatabase } from '../../../src/daemon/state-database.ts';
import { scheduleSpec, seven } from './schedule-world.ts';

const acme = 'acme' as TenantName;
const site = 'site' as AppName;
const digest = { tenant: acme, app: site, name: 'digest' };
const hour = 3_600_000;
const day = 24 * hour;

let rows: ScheduleRows;
let nowMs: number;
let book: ScheduleBook;

beforeEach(() => {
  const database = new DatabaseSync(':memory:');
  database.exec(scheduleTables);
  rows = createScheduleRows(wrapDatabase(database));
  nowMs = seven - hour;
  book = open();
});

function open(): ScheduleBook {
  return createScheduleBook({ rows, nowMs: () => nowMs });
}

function want(schedules: ScheduleSpec[], enabled = true): void {
  book.set(acme, new Map([[site, { schedules, enabled }]]));
}

const dueAtMs = (): number | undefined => book.get(digest)?.dueAtMs;

describe('a schedule that is new', () => {
  test('is due from now on', () => {
    nowMs = seven + 1;
    want([scheduleSpec()]);
    expect(dueAtMs()).toBe(seven + day);
  });

  test('is so after a restart: what it missed meanwhile is due', () => {
    want([scheduleSpec()]);
    nowMs = seven + 5 * day;
    book = open();
    want([scheduleSpec()]);
    expect(dueAtMs()).toBe(seven);
  });
});

describe('times are over that came', () => {
  test('while its app was stopped', () => {
    want([scheduleSpec()], false);
    nowMs = seven + hour;
    want([scheduleSpec()]);
    expect(dueAtMs()).toBe(seven + day);
  });

  test('while its app was stopped, also over restarts', () => {
    want([scheduleSpec()], false);
    for (const enabled of [false, true, true]) {
      nowMs += day;
      if (!enabled) book = open();
      want([scheduleSpec()], enabled);
    }
    expect(dueAtMs()).toBe(seven + 2 * day);
    nowMs += hour;
    book = open();
    want([scheduleSpec()]);
    expect(dueAtMs()).toBe(seven + 2 * day);
  });

  test('before it was changed, by a deploy or while the daemon was not there', () => {
    want([scheduleSpec()]);
    nowMs = seven + hour;
    want([scheduleSpec({ cron: '30 7 * * *' })]);
    expect(dueAtMs()).toBe(seven + hour / 2 + day);
    nowMs += 10 * day;
    book = open();
    want([scheduleSpec({ cron: '30 7 * * *', timezone: 'Asia/Tokyo' })]);
    expect(dueAtMs()).toBeGreaterThan(nowMs);
  });

  test('while a release was there that did not have it', () => {
    want([scheduleSpec()]);
    want([]);
    nowMs = seven + hour;
    want([scheduleSpec()]);
    expect(dueAtMs()).toBe(seven + day);
  });

  test('before they were handled, whatever the clock says', () => {
    want([scheduleSpec()]);
    const schedule = book.get(digest);
    if (schedule) book.handle(schedule, seven);
    nowMs = seven - hour / 2;
    want([scheduleSpec({ path: '/other' })]);
    want([scheduleSpec({ cron: '*/5 * * * *' })]);
    expect(dueAtMs()).toBe(seven + 300_000);
  });
});

test('a change of anything but the time leaves the time', () => {
  want([scheduleSpec()]);
  nowMs = seven + hour;
  want([scheduleSpec({ path: '/b', timeoutMs: 1_000, overlap: 'allow', missed: 'run' })]);
  expect(dueAtMs()).toBe(seven);
  expect(book.get(digest)?.spec.path).toBe('/b');
});

test('schedules of the same name are those of their apps', () => {
  book.set(
    acme,
    new Map([
      [site, { schedules: [scheduleSpec()], enabled: true }],
      ['api' as AppName, { schedules: [scheduleSpec()], enabled: false }],
    ]),
  );
  expect(book.of(acme).map(({ app, enabled }) => [app, enabled])).toEqual([
    ['site', true],
    ['api', false],
  ]);
  expect(book.of(acme, site)).toHaveLength(1);
});

test('a tenant that is gone has none', () => {
  want([scheduleSpec()]);
  book.set(acme, undefined);
  expect([[...book.all()], book.of(acme), book.problems(acme)]).toEqual([[], [], []]);
});

describe('a problem', () => {
  const fail = (outcome: 'failed' | 'timeout' | 'lost' | 'done', due: number, more: { status?: number; detail?: string } = {}): void => {
    rows.claim([{ ...digest, timing: '0 7 * * * UTC', run: { dueAtMs: due, cause: 'time', outcome: 'waiting' } }]);
    rows.end(digest, due, { outcome, endedAtMs: due + 1, ...more });
    const row = rows.run(digest, due);
    if (row) book.noteEnd(digest, row);
  };

  test.each([
    ['failed', { status: 500 }, 'site: the run of digest at 2026-11-21 07:00 UTC failed: its answer was 500'],
    ['failed', { status: 500, detail: 'answered 500' }, 'site: the run of digest at 2026-11-21 07:00 UTC failed: answered 500'],
    ['timeout', {}, 'site: the run of digest at 2026-11-21 07:00 UTC took too long'],
    ['lost', { detail: 'the host ended' }, 'site: the run of digest at 2026-11-21 07:00 UTC is lost: the host ended'],
  ] as const)('is there when a run is %s %j, and until one goes well', (outcome, more, message) => {
    want([scheduleSpec()]);
    fail(outcome, seven, more);
    const problem = {
      code: 'TENANTD_E_SCHEDULE_FAILED',
      message,
      app: 'site',
      fix: expect.stringContaining('schedule history acme/site digest'),
    };
    expect(book.problems(acme)).toEqual([problem]);
    book = open();
    want([scheduleSpec()]);
    expect(book.problems(acme)).toEqual([problem]);
    fail('done', seven + day);
    expect(book.problems(acme)).toEqual([]);
    book = open();
    want([scheduleSpec()]);
    expect(book.problems(acme)).toEqual([]);
  });

  test('goes with its schedule', () => {
    want([scheduleSpec()]);
    fail('failed', seven);
    want([scheduleSpec({ name: 'other' })]);
    expect(book.problems(acme)).toEqual([]);
  });
});
