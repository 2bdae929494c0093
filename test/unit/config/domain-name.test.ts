import { describe, expect, test } from 'vitest';
import { parseDomainName, wildcardsOver } from '../../../src/config/domain-name.ts';

describe('host names', () => {
  test.each([
    ['acme.example', 'acme.example'],
    ['ACME.Example.', 'acme.example'],
    ['münchen.example', 'xn--mnchen-3ya.example'],
    ['mu\u0308nchen.example', 'xn--mnchen-3ya.example'],
    ['*.shops.acme.example', '*.shops.acme.example'],
    ['*.bücher.example', '*.xn--bcher-kva.example'],
    ['shop.localhost', 'shop.localhost'],
    ['*.acme.localhost', '*.acme.localhost'],
    ['localhost', 'localhost'],
    ['xn--mnchen-3ya.example', 'xn--mnchen-3ya.example'],
  ])('%s is %s', (text, name) => {
    expect(parseDomainName(text)).toEqual({ value: name });
  });

  test('a name that was put in its form stays as it is', () => {
    for (const text of ['*.bücher.example', 'ACME.Example.']) {
      const once = parseDomainName(text);
      expect('value' in once && parseDomainName(once.value)).toEqual(once);
    }
  });

  test.each([
    '',
    '.',
    '..',
    'a..b',
    '*',
    '*.',
    '*.com',
    '*.localhost',
    'a.*.example',
    '**.a.example',
    'x*.a.example',
    '10.0.0.1',
    '1.2.3.4.',
    '127.1',
    '0x7f.1',
    '0x7f000001',
    '2130706433',
    '::1',
    '[::1]',
    '-a.example',
    'a-.example',
    'a_b.example',
    'a b.example',
    'a.example/x',
    'a.example:80',
    'http://a.example',
    'user@a.example',
    'ex%61mple.com',
    'a.example\0',
    'a\u00adb.example',
  ])('%j is none', (text) => {
    expect(parseDomainName(text)).toMatchObject({ fault: { code: 'TENANTD_E_BAD_DOMAIN' } });
  });
});

describe('limits of length', () => {
  const reasonOf = (text: string): object => parseDomainName(text);

  test('a label has at most 63 characters, as punycode too', () => {
    expect(parseDomainName(`${'a'.repeat(63)}.example`)).toHaveProperty('value');
    expect(reasonOf(`${'a'.repeat(64)}.example`)).toMatchObject({ fault: { message: 'must have labels of at most 63 characters' } });
    expect(reasonOf(`${'ü'.repeat(60)}.example`)).toHaveProperty('fault');
  });

  test('a name has at most 253 characters, its wildcard counted', () => {
    const name = `${'a.'.repeat(123)}example`;
    expect(name).toHaveLength(253);
    expect(parseDomainName(name)).toEqual({ value: name });
    expect(reasonOf(`a.${name}`)).toMatchObject({ fault: { message: 'must have at most 253 characters' } });
    expect(reasonOf(`*.${name}`)).toMatchObject({ fault: { message: 'must have at most 253 characters' } });
  });
});

describe('wildcards over a name', () => {
  test('are listed from the nearest on', () => {
    expect(wildcardsOver('a.b.c.example')).toEqual(['*.b.c.example', '*.c.example', '*.example']);
  });

  test('of a wildcard begin with itself', () => {
    expect(wildcardsOver('*.c.example')).toEqual(['*.c.example', '*.example']);
  });
});
