import { describe, expect, test } from 'vitest';
import { isReleaseId, linkTextOf, newReleaseId, releaseOfLink } from '../../../src/base/release-ids.ts';

test('ids sort by time, and are no other names', () => {
  const id = newReleaseId(Date.parse('2026-11-21T13:34:05.678Z'), () => 0.5);
  expect(id).toBe('20261121-133405-oei0');
  expect(isReleaseId(id)).toBe(true);
  expect(newReleaseId(Date.parse('2026-11-21T13:34:05.679Z')) > id).toBe(true);
  expect(newReleaseId(Date.parse('2026-11-21T13:34:06Z')) > id).toBe(true);
  expect(isReleaseId(newReleaseId(Date.parse('2026-11-21T13:34:05.999Z'), () => 0.999_999))).toBe(true);
});

describe('a link says which release is current', () => {
  test('by the text that was written', () => {
    expect(releaseOfLink(linkTextOf('20261121-133405-x7k2'))).toBe('20261121-133405-x7k2');
  });

  test.each([
    '',
    'releases',
    'releases/',
    'releases/local',
    '/srv/releases/20261121-133405-x7k2',
    'releases/../x',
    'releases/20261121-133405-x7k2/',
  ])('and none by %o', (text) => {
    expect(releaseOfLink(text)).toBeUndefined();
  });
});
