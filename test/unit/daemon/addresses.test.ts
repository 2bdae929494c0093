import { describe, expect, test } from 'vitest';
import { createUrlOf, showAddress } from '../../../src/daemon/addresses.ts';

const at = { host: 'acme.example', path: '/shop' };
const listen = (...ports: number[]): { listen: { host: string; port: number }[] } => ({
  listen: ports.map((port) => ({ host: '::', port })),
});

describe('the URL of an app', () => {
  test.each([
    [80, 443, true, 'https://acme.example/shop'],
    [80, 443, false, 'http://acme.example/shop'],
    [8080, 8443, true, 'https://acme.example:8443/shop'],
    [8080, 8443, false, 'http://acme.example:8080/shop'],
    [443, 80, true, 'https://acme.example:80/shop'],
  ])('with http on %i and https on %i, secure: %s, is %4$s', (http, https, isSecure, url) => {
    expect(createUrlOf({ http: listen(http, 9_000), https: listen(https, 9_001) })(at, isSecure)).toBe(url);
  });

  test('is one of plain http where there is no https', () => {
    expect(createUrlOf({ http: listen(80) })(at, true)).toBe('http://acme.example/shop');
  });
});

test('an address is shown with brackets around IPv6', () => {
  expect(
    [
      { host: '127.0.0.1', port: 80 },
      { host: '::', port: 443 },
    ].map(showAddress),
  ).toEqual(['127.0.0.1:80', '[::]:443']);
});
