import { describe, expect, test } from 'vitest';
import { encodeName, isHostName, readName } from '../../../src/dns/names.ts';

/** After twelve bytes of a header. */
const message = (...parts: (string | Buffer)[]): Buffer =>
  Buffer.concat([Buffer.alloc(12), ...parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'hex') : part))]);

describe('readName', () => {
  test('follows pointers to earlier names, in lower case', () => {
    const bytes = message(encodeName('b.example'), '0141', 'c00c');
    expect(readName(bytes, 12 + 11)).toEqual({ name: 'a.b.example', next: bytes.length });
  });

  test('no two names look the same: what is no host name is escaped', () => {
    const dot = message('08', Buffer.from('api.test'), '00');
    expect(readName(dot, 12).name).toBe('api\\046test');
    expect(readName(message('02', '005c', '00'), 12).name).toBe('\\000\\092');
    expect(isHostName(readName(dot, 12).name)).toBe(false);
  });

  test('the root is the empty name', () => {
    expect(readName(message('00'), 12)).toEqual({ name: '', next: 13 });
    expect(isHostName('')).toBe(false);
  });

  test('a name of 255 bytes is one, and of 256 is none', () => {
    const label = (length: number): Buffer => Buffer.concat([Buffer.from([length]), Buffer.alloc(length, 'a')]);
    const long = [label(63), label(63), label(63)];
    expect(readName(message(...long, label(61), '00'), 12).name.length).toBe(253);
    expect(() => readName(message(...long, label(62), '00'), 12)).toThrow('too long');
  });

  test.each([
    ['to itself', message('c00c'), 12],
    ['forward', message('c00e00'), 12],
    ['to a name that comes back to it', message('0161c00c'), 14],
    ['into the header', message('c000'), 12],
    ['past the end', message('c0ff'), 12],
  ])('a pointer %s is refused', (_what, bytes, start) => {
    expect(() => readName(bytes, start)).toThrow(/name|label|range|bounds/);
  });

  test.each([
    ['a label of an unknown kind', '4061', 12],
    ['a label that is cut off', '0361', 12],
    ['a name without an end', '0161', 12],
    ['half a pointer', 'c0', 12],
  ])('%s is refused', (_what, hex, start) => {
    expect(() => readName(message(hex), start)).toThrow(/name|label|range|bounds/);
  });
});

test.each(['api.test', '_dmarc.example', 'xn--bcher-kva.example', 'a'])('%s is a host name', (name) => {
  expect(isHostName(name)).toBe(true);
});
test.each(['a..b', '.a', 'a.', 'a b', 'ä', 'a\\046b'])('"%s" is none', (name) => {
  expect(isHostName(name)).toBe(false);
});
