import { describe, expect, test } from 'vitest';
import { parseRoute, parseUrlPath } from '../../../src/config/app-values.ts';
import { parseEgressTarget, parseIpBlock, parseListenAddress, parsePrivatePool, parseResolver } from '../../../src/config/addresses.ts';
import { parseAbsolutePath, parseInsidePath } from '../../../src/config/path-values.ts';
import { parseDuration, type Parsed, parseSize } from '../../../src/config/values.ts';

const valueOf = <T>(parsed: Parsed<T>): T | undefined => ('value' in parsed ? parsed.value : undefined);

describe('sizes', () => {
  test.each([
    ['0', 0],
    ['512', 512],
    ['64K', 65_536],
    ['50M', 52_428_800],
    ['1.5G', 1_610_612_736],
  ])('%s is %d bytes', (text, bytes) => {
    expect(valueOf(parseSize(text))).toBe(bytes);
  });

  test.each(['', 'M', '-1M', '1m', '1 M', '1MB', '1e9', '9999999T', '٣M', '0x10'])('%s is no size', (text) => {
    expect(parseSize(text)).toHaveProperty('fault');
  });
});

describe('durations', () => {
  test.each([
    ['0s', 0],
    ['250ms', 250],
    ['10m', 600_000],
    ['24d', 2_073_600_000],
  ])('%s is %d ms', (text, ms) => {
    expect(valueOf(parseDuration(text))).toBe(ms);
  });

  test.each(['10', '1.5h', '-1s', '1 s', '25d', '999999999999d', 'never'])('%s is none that a timer can hold', (text) => {
    expect(parseDuration(text)).toHaveProperty('fault');
  });
});

describe('addresses', () => {
  test.each([
    ['127.0.0.1:8080', '127.0.0.1', 8080],
    ['[::]:80', '::', 80],
    ['localhost:1', '127.0.0.1', 1],
  ])('%s is taken apart', (text, host, port) => {
    expect(valueOf(parseListenAddress(text))).toEqual({ host, port });
  });

  test.each([
    '127.0.0.1',
    ':80',
    '*:80',
    '::1:80',
    '[::1]',
    '1.2.3.4:0',
    '1.2.3.4:65536',
    '1.2.3.4:-1',
    '1.2.3:80',
    'example.com:80',
    '[1.2.3.4]:80',
  ])('%s is no address to listen on', (text) => {
    expect(parseListenAddress(text)).toHaveProperty('fault');
  });

  test('a resolver has the usual port when it names none', () => {
    expect(valueOf(parseResolver('9.9.9.9'))).toEqual({ host: '9.9.9.9', port: 53 });
    expect(valueOf(parseResolver('127.0.0.1:8053'))).toEqual({ host: '127.0.0.1', port: 8053 });
  });

  test.each(['10.0.0.0/33', '10.0.0/8', 'fd00::/129', '10.0.0.0/8/8', '10.0.0.0/', 'a/8', 'fe80::1%eth0'])('%s is no block', (text) => {
    expect(parseIpBlock(text)).toHaveProperty('fault');
  });

  test.each([
    ['api.stripe.com:443', { host: 'api.stripe.com', port: 443 }],
    ['10.20.0.5/32:5432', { block: '10.20.0.5/32', port: 5432 }],
    ['*.stripe.com:443', { host: '*.stripe.com', port: 443 }],
    ['[fd00::]/8:53', { block: 'fd00::/8', port: 53 }],
  ])('%s may be reached', (text, target) => {
    expect(valueOf(parseEgressTarget(text))).toEqual(target);
  });

  test.each(['api.stripe.com', '*:443', 'a.*.stripe.com:443', 'any', 'a b:1', '10.0.0.0/99:1', 'x.example:0'])(
    '%s is no target',
    (text) => {
      expect(parseEgressTarget(text)).toHaveProperty('fault');
    },
  );
});

describe("a block for tenants' links", () => {
  test.each(['10.213.0.0/16', '192.168.9.16/28', '100.64.0.0/10'])('may be %s', (text) => {
    expect(parsePrivatePool(text)).toEqual({ value: text });
  });

  test.each(['10.213.0.1/16', '10.213.0.0', '10.0.0.0/7', '10.0.0.0/29', '203.0.113.0/24', 'fd00::/64', '10.213.0.0/16/1', ''])(
    'is not %j',
    (text) => {
      expect(parsePrivatePool(text)).toHaveProperty('fault');
    },
  );
});

describe('paths', () => {
  test('a path is put in its shortest form', () => {
    expect(valueOf(parseAbsolutePath('/srv//tenants/./'))).toBe('/srv/tenants');
    expect(valueOf(parseInsidePath('./pages/'))).toBe('pages');
    expect(valueOf(parseInsidePath('.'))).toBe('.');
  });

  test.each(['/etc/passwd', '../x', 'a/../../x', 'a/..', '', 'a\0b', 'a\nb'])('%j leaves its folder, or is no path', (text) => {
    expect(parseInsidePath(text)).toMatchObject({ fault: { code: 'TENANTD_E_BAD_PATH' } });
  });

  test.each(['srv', './srv', '/srv/../etc', ''])('%j is no absolute path', (text) => {
    expect(parseAbsolutePath(text)).toMatchObject({ fault: { code: 'TENANTD_E_BAD_PATH' } });
  });
});

describe('routes', () => {
  test.each([
    ['acme.example', '/'],
    ['acme.example/', '/'],
    ['Acme.Example/API/', '/API'],
  ])('%s answers at %s', (text, path) => {
    expect(valueOf(parseRoute(text))).toEqual({ host: 'acme.example', path });
  });

  test.each([
    '/api',
    'http://acme.example/',
    'acme.example:80/',
    'acme.example/a/../b',
    'acme.example/a//b',
    'acme.example/%2e',
    'acme.example/a?b',
  ])('%s is no route', (text) => {
    expect(parseRoute(text)).toHaveProperty('fault');
  });

  test.each(['', 'api', '/.', '/a b', '/é', '/a\n'])('%j is no path that requests can be compared with', (text) => {
    expect(parseUrlPath(text)).toHaveProperty('fault');
  });
});
