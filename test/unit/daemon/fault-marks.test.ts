import { describe, expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { createFaultMarks } from '../../../src/daemon/fault-marks.ts';

const acme = 'acme' as TenantName;
const none = { marksOf: () => undefined };
const after = (marks: ReturnType<typeof createFaultMarks>, boot = 'boot') => createFaultMarks({ marksOf: () => marks.textOf(acme) }, boot);

describe('what was counted of a tenant', () => {
  test('grows from nothing, and each growth is told once', () => {
    const marks = createFaultMarks(none, 'boot').of(acme);
    expect([3, 3, 5].map((value) => marks.growth('host', '7', 'kills', value))).toEqual([3, 0, 2]);
    expect(marks.growth('host', '7', 'forks', 4)).toBe(4);
  });

  test('begins anew with another group of the same name, and with a counter that was set back', () => {
    const marks = createFaultMarks(none, 'boot').of(acme);
    marks.growth('host', '7', 'kills', 3);
    expect(marks.growth('host', '8', 'kills', 2)).toBe(2);
    expect(marks.growth('host', '8', 'kills', 1)).toBe(1);
  });

  test('outlives the daemon', () => {
    const marks = createFaultMarks(none, 'boot');
    marks.of(acme).growth('w.site.abc', '7', 'kills', 3);
    marks.of(acme).setFull('disk', true);
    const next = after(marks).of(acme);
    expect(next.growth('w.site.abc', '7', 'kills', 4)).toBe(1);
    expect(next.setFull('disk', true)).toBe(false);
  });

  test('says nothing of groups after a boot, whose ids may come again', () => {
    const marks = createFaultMarks(none, 'boot');
    marks.of(acme).growth('host', '7', 'kills', 3);
    expect(after(marks, 'another').of(acme).growth('host', '7', 'kills', 3)).toBe(3);
  });

  test.each([undefined, '', 'null', '{"boot":1}', '{"boot":"boot","groups":{"host":["7"]},"full":[]}'])(
    'is nothing where %j is stored',
    (text) => {
      expect(
        createFaultMarks({ marksOf: () => text }, 'boot')
          .of(acme)
          .growth('host', '7', 'kills', 2),
      ).toBe(2);
    },
  );

  test('forgets members that are gone', () => {
    const marks = createFaultMarks(none, 'boot');
    for (const member of ['', 'host', 'w.site.abc']) marks.of(acme).growth(member, '7', 'kills', 1);
    marks.of(acme).keepMembers(['host']);
    expect(Object.keys((JSON.parse(marks.textOf(acme)) as { groups: object }).groups)).toEqual(['', 'host']);
  });

  test('compares a window with the one before, of this daemon and this group alone', () => {
    const marks = createFaultMarks(none, 'boot');
    expect(marks.of(acme).window('7', 10, 5)).toBeUndefined();
    expect(marks.of(acme).window('7', 30, 20)).toEqual({ periods: 20, throttled: 15 });
    expect(marks.of(acme).window('8', 30, 20)).toBeUndefined();
    expect(after(marks).of(acme).window('8', 40, 20)).toBeUndefined();
  });
});
