import { describe, expect, test } from 'vitest';
import type { ControlGroups, ResourceUse } from '../../../src/privileged/cgroups.ts';
import { watchGroups } from '../../../src/privileged/watched-groups.ts';
import { createGroupMeter } from '../../../src/daemon/usage-groups.ts';
import { UsageBook } from '../../../src/daemon/usage-book.ts';
import { openUsageRows } from '../../../src/daemon/usage-rows.ts';
import { createRecordingLog } from './recording-log.ts';
import { temporaryFolder } from './temporary-folder.ts';

const hour = 3_600_000;
const gib = 2 ** 30;

/** What the kernel says, by group and member; '' is the group itself. */
type Kernel = Record<string, Record<string, ResourceUse>>;

const use = (cpuSeconds: number, gibibytes = 0): ResourceUse => ({ cpuSeconds, memoryBytes: gibibytes * gib });

function openWorld(kernel: Kernel, folder = temporaryFolder()) {
  const { log } = createRecordingLog();
  const rows = openUsageRows(`${folder}/usage.db`, log);
  const book = new UsageBook({ rows, log, nowMs: Date.now });
  const steady = { nowMs: 0 };
  const groups = {
    tenants: () => Object.keys(kernel),
    membersOf: (group: string) => Object.keys(kernel[group] ?? {}).filter((member) => member !== ''),
    useOf: (group: string, member = '') => kernel[group]?.[member],
    removeMember: async (group: string, member: string) => void delete kernel[group]?.[member],
    removeTenant: async (group: string) => void delete kernel[group],
  };
  const watched = watchGroups(groups as unknown as ControlGroups);
  const meter = createGroupMeter({ groups: watched, book, nowMs: () => steady.nowMs });
  watched.onEnd(meter);
  const look = (): void => {
    book.begin();
    meter.look();
    book.write();
  };
  return { kernel, book, meter, look, steady, watched, restart: () => (rows.close(), openWorld(kernel, folder)) };
}

describe('processor time', () => {
  test("is an app's as far as its workers used it, and its tenant's for the rest", () => {
    const { look, book } = openWorld({
      't-acme': { '': use(10), 'w.site.aaaaaa': use(3), 'w.site.bbbbbb': use(2), 'w.shop.cccccc': use(1), host: use(4) },
      edge: { '': use(100), 'master.x': use(100) },
    });
    look();
    expect(['', 'site', 'shop'].map((app) => book.totalOf('acme', app).cpuSeconds)).toEqual([4, 5, 1]);
    expect(book.allMarks().filter(({ source }) => source.startsWith('cpu')).length).toBe(4);
  });

  test('of a group that is removed is counted before it goes, and the next of that name from zero', async () => {
    const { look, book, kernel, watched } = openWorld({ 't-acme': { '': use(10), 'w.site.aaaaaa': use(6) } });
    look();
    Object.assign(kernel['t-acme'] ?? {}, { '': use(13), 'w.site.aaaaaa': use(8) });
    await watched.removeMember('t-acme', 'w.site.aaaaaa');
    await watched.removeTenant('t-acme');
    kernel['t-acme'] = { '': use(12), 'w.site.bbbbbb': use(12) };
    look();
    expect(['', 'site'].map((app) => book.totalOf('acme', app).cpuSeconds)).toEqual([5, 20]);
  });

  test('is counted once over restarts of the daemon, with what was used meanwhile', () => {
    const first = openWorld({ 't-acme': { '': use(10), 'w.site.aaaaaa': use(6) } });
    first.look();
    Object.assign(first.kernel['t-acme'] ?? {}, { '': use(15), 'w.site.aaaaaa': use(10) });
    const second = first.restart();
    second.look();
    expect(['', 'site'].map((app) => second.book.totalOf('acme', app).cpuSeconds)).toEqual([1, 4]);
  });

  test('of a group that went while no daemon ran is not mistaken for that of the next', () => {
    const first = openWorld({ 't-acme': { '': use(10), 'w.site.aaaaaa': use(6) } });
    first.look();
    delete first.kernel['t-acme'];
    const second = first.restart();
    second.kernel['t-acme'] = { '': use(11), 'w.site.bbbbbb': use(7) };
    second.look();
    expect(['', 'site'].map((app) => second.book.totalOf('acme', app).cpuSeconds)).toEqual([4, 7]);
  });

  test('that an app has used is not counted for its tenant though it was read a moment before', () => {
    const { look, book, kernel } = openWorld({ 't-acme': { '': use(5), 'w.site.aaaaaa': use(6) } });
    look();
    Object.assign(kernel['t-acme'] ?? {}, { '': use(8), 'w.site.aaaaaa': use(7) });
    look();
    expect(['', 'site'].map((app) => book.totalOf('acme', app).cpuSeconds)).toEqual([1, 7]);
  });
});

describe('memory', () => {
  test('is counted by the time for which it was held, and known as of the last look', () => {
    const { look, book, steady, meter } = openWorld({
      't-acme': { '': use(0, 3), 'w.site.aaaaaa': use(0, 1), 'w.site.bbbbbb': use(0, 1) },
    });
    steady.nowMs = hour / 60;
    look();
    expect(book.totalOf('acme', 'site').memoryGibHours).toBeCloseTo(2 / 60);
    expect(book.totalOf('acme', '').memoryGibHours).toBeCloseTo(1 / 60);
    expect([meter.memoryOf('acme', 'site'), meter.memoryOf('acme', '')]).toEqual([2 * gib, gib]);
  });

  test('is not counted for hours in which nobody looked', () => {
    const { look, book, steady } = openWorld({ 't-acme': { '': use(0, 1) } });
    steady.nowMs = 10 * hour;
    look();
    expect(book.totalOf('acme', '').memoryGibHours).toBeCloseTo(1 / 60);
  });
});
