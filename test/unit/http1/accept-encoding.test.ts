import { describe, expect, test } from 'vitest';
import { chooseCoding, type Coding } from '../../../src/http1/accept-encoding.ts';

describe('the coding for a client', () => {
  test.each<[string, Coding | undefined]>([
    ['gzip, deflate, br, zstd', 'zstd'],
    ['gzip, deflate, br', 'br'],
    ['gzip, deflate', 'gzip'],
    ['GZIP', 'gzip'],
    ['x-gzip', 'gzip'],
    ['gzip;q=1.0, br;q=0.9, zstd;q=0.8', 'gzip'],
    ['br;q=0.001', 'br'],
    ['br ; q=0.5 ,\tgzip\t;\tQ=0.501', 'gzip'],
    [', gzip,, ,', 'gzip'],
    ['deflate, compress', undefined],
    ['', undefined],
    ['unknown;q=1, gzip;q=0.1', 'gzip'],
  ])('that sends %j is %s', (value, coding) => {
    expect(chooseCoding(value)).toBe(coding);
  });

  test.each<[string, Coding | undefined]>([
    ['gzip;q=0', undefined],
    ['gzip;q=0.000, br;q=0', undefined],
    ['*', 'zstd'],
    ['*, zstd;q=0', 'br'],
    ['*;q=0, gzip', 'gzip'],
    ['*;q=0', undefined],
    ['*;q=0.5, gzip;q=0.4', 'zstd'],
    ['identity', undefined],
    ['identity, gzip', 'gzip'],
    ['identity;q=1, gzip;q=0.5', undefined],
    ['identity;q=0, gzip;q=0.1', 'gzip'],
    ['identity;q=0', undefined],
    ['gzip, gzip;q=0', undefined],
    ['gzip;q=0, x-gzip', undefined],
  ])('that excludes or prefers by %j is %s', (value, coding) => {
    expect(chooseCoding(value)).toBe(coding);
  });

  test('that sends no such field is none', () => {
    expect(chooseCoding(undefined)).toBeUndefined();
  });

  test.each([
    'gzip;q=1.1',
    'gzip;q=0.1234',
    'gzip;q=',
    'gzip;q=-1',
    'gzip;level=3',
    'gzip q=1',
    'gzip;q=1;q=1',
    '"gzip"',
    'gzip\u00a0',
    'gz ip',
  ])('that sends what is malformed, %j, is none', (element) => {
    expect(chooseCoding(element)).toBeUndefined();
    expect(chooseCoding(`br, ${element}`)).toBeUndefined();
  });

  test('that sends more than anyone means is none', () => {
    expect(chooseCoding(`gzip,${' '.repeat(506)}`)).toBe('gzip');
    expect(chooseCoding(`gzip,${' '.repeat(508)}`)).toBeUndefined();
    expect(chooseCoding(`gzip${',a'.repeat(31)}`)).toBe('gzip');
    expect(chooseCoding(`gzip${',a'.repeat(32)}`)).toBeUndefined();
  });

  test('is one of those offered', () => {
    expect(chooseCoding('zstd, br, gzip;q=0.1', ['gzip'])).toBe('gzip');
    expect(chooseCoding('*;q=0.5, gzip;q=0.4', ['gzip'])).toBeUndefined();
    expect(chooseCoding('gzip, br', ['zstd'])).toBeUndefined();
    expect(chooseCoding('*', [])).toBeUndefined();
    expect(chooseCoding('gzip, br', ['gzip', 'br'])).toBe('gzip');
  });
});
