import { describe, expect, test } from 'vitest';
import { peerOf } from '../../../src/edge/client-address.ts';
import { ForwardedClient } from '../../../src/edge/forwarded-client.ts';
import { createTrustedProxies } from '../../../src/edge/trusted-proxies.ts';
import { parseRequestHead, RequestHead } from '../../../src/http1/request-head.ts';

const proxies = createTrustedProxies(['10.0.0.0/8', 'fd00::/8']);
const peer = peerOf({ remoteAddress: '10.0.0.1', localPort: 8080 }, false, proxies);
const client = new ForwardedClient(proxies);

/** The client as `address proto port`. */
function read(...fields: string[]): string {
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: a.example\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`, 'latin1');
  const head = new RequestHead();
  const refusal = parseRequestHead(bytes, bytes.length, head);
  if (refusal) throw new Error(`the test's head is refused: ${refusal.reason}`);
  const { address, proto, port } = client.read(head, peer);
  return `${address} ${proto} ${port}`;
}

const addressIn = (...fields: string[]): string | undefined => read(...fields).split(' ')[0];

describe('of X-Forwarded-For the client is', () => {
  test.each([
    ['the only address', '203.0.113.9', '203.0.113.9'],
    ['the last address that is no proxy', '198.51.100.7, 203.0.113.9, 10.3.3.3,10.2.2.2', '203.0.113.9'],
    ['not what it wrote itself', '127.0.0.1, 10.9.9.9, 203.0.113.9', '203.0.113.9'],
    ['the first proxy, when all are proxies', '10.4.4.4, 10.3.3.3', '10.4.4.4'],
    ['an IPv6 address', '2001:DB8::1, fd00::2', '2001:db8::1'],
    ['an address with a port', '203.0.113.9:4711', '203.0.113.9'],
    ['an IPv6 address with a port', '[2001:db8::1]:4711', '2001:db8::1'],
    ['an IPv4 address in the form of IPv6', '203.0.113.9, ::ffff:10.2.2.2', '203.0.113.9'],
    ['the proxy that passed on a word', '203.0.113.9, localhost, 10.2.2.2', '10.2.2.2'],
    ['the proxy that hides its client', '203.0.113.9, unknown', '10.0.0.1'],
    ['the proxy, for what looks like an address', '203.0.113.9, 203.0.113.300', '10.0.0.1'],
    ['the proxy, for an address with something at it', '10.2.2.2; 203.0.113.9', '10.0.0.1'],
    ['found past empty members', '203.0.113.9, ,, 10.2.2.2, ,', '203.0.113.9'],
    ['the peer, for an empty list', '', '10.0.0.1'],
    ['the peer, for nothing but commas', ',,,,', '10.0.0.1'],
  ])('%s', (_, list, address) => {
    expect(addressIn(`X-Forwarded-For: ${list}`)).toBe(address);
  });

  test('found in several lines, as one list', () => {
    expect(addressIn('X-Forwarded-For: 198.51.100.7', 'x-forwarded-for: 203.0.113.9, 10.3.3.3', 'X-FORWARDED-FOR: 10.2.2.2')).toBe(
      '203.0.113.9',
    );
  });

  test('not looked for in names that only look alike', () => {
    expect(addressIn('X_Forwarded_For: 203.0.113.9', 'X-Forwarded.For: 203.0.113.9', 'X-Real-IP: 203.0.113.9')).toBe('10.0.0.1');
  });

  test('not looked for further than 32 proxies back', () => {
    expect(addressIn(`X-Forwarded-For: 203.0.113.9${', 10.2.2.2'.repeat(31)}`)).toBe('203.0.113.9');
    expect(addressIn(`X-Forwarded-For: 203.0.113.9${', 10.2.2.2'.repeat(5_000)}`)).toBe('10.2.2.2');
  });
});

describe('scheme and port', () => {
  test('are those of the connection where no proxy names them', () => {
    expect(read('X-Forwarded-For: 203.0.113.9')).toBe('203.0.113.9 http 8080');
  });

  test('are those that the proxy names', () => {
    expect(read('X-Forwarded-For: 203.0.113.9', 'X-Forwarded-Proto: HTTPS', 'X-Forwarded-Port: 8443')).toBe('203.0.113.9 https 8443');
  });

  test.each([
    ['https', '10.0.0.1 https 443'],
    ['http', '10.0.0.1 http 80'],
    ['wss', '10.0.0.1 https 443'],
  ])('with %s and no port, is the port that is usual for it', (proto, expected) => {
    expect(read(`X-Forwarded-Proto: ${proto}`)).toBe(expected);
  });

  test.each(['gopher', '', '"https"', '__proto__', 'https/1.1'])('are not changed by the scheme %j', (proto) => {
    expect(read('X-Forwarded-For: 203.0.113.9', `X-Forwarded-Proto: ${proto}`)).toBe('203.0.113.9 http 8080');
  });

  test.each(['0', '65536', '-1', '80x', '0x50', '', '999999'])('are not changed by the port %j', (port) => {
    expect(read('X-Forwarded-For: 203.0.113.9', `X-Forwarded-Port: ${port}`)).toBe('203.0.113.9 http 8080');
  });

  test('are those of the connection by which the client came, where each proxy added its own', () => {
    expect(read('X-Forwarded-For: 203.0.113.9, 10.2.2.2', 'X-Forwarded-Proto: https, http')).toBe('203.0.113.9 https 443');
  });

  test('are not those that the client wrote before them', () => {
    const fields = ['X-Forwarded-For: 198.51.100.7', 'X-Forwarded-For: 203.0.113.9', 'X-Forwarded-Proto: https', 'X-Forwarded-Proto: http'];
    expect(read(...fields)).toBe('203.0.113.9 http 80');
  });

  test('are the only ones there, where the last proxy replaced those before', () => {
    expect(read('X-Forwarded-For: 203.0.113.9, 10.3.3.3, 10.2.2.2', 'X-Forwarded-Proto: https')).toBe('203.0.113.9 https 443');
  });
});

describe('of Forwarded the client is', () => {
  test.each([
    ['the only one', 'for=203.0.113.9', '203.0.113.9 http 8080'],
    ['with its scheme', 'For=203.0.113.9;Proto=https;by=10.0.0.1;host=a.example', '203.0.113.9 https 443'],
    ['quoted, with a port', 'for="203.0.113.9:4711"', '203.0.113.9 http 8080'],
    ['in brackets', 'for="[2001:db8::1]:4711"', '2001:db8::1 http 8080'],
    ['in brackets without quotes', 'for=[2001:db8::1]', '2001:db8::1 http 8080'],
    ['before the proxies', 'for=198.51.100.7, for=203.0.113.9;proto=https, for=10.2.2.2;proto=http', '203.0.113.9 https 443'],
    ['behind escapes', 'for="203.0.113\\.9"', '203.0.113.9 http 8080'],
    ['one whose name holds a comma and a quote', 'for="a\\", for=198.51.100.7", for=203.0.113.9', '203.0.113.9 http 8080'],
    ['the proxy, for unknown', 'for=203.0.113.9, for=unknown;proto=https', '10.0.0.1 https 443'],
    ['the proxy, for a hidden one', 'for=203.0.113.9, for=_hidden, for=10.2.2.2', '10.2.2.2 http 8080'],
    ['the proxy, where it names nobody', 'for=203.0.113.9, proto=https', '10.0.0.1 https 443'],
    ['found past empty members', 'for=203.0.113.9, , ;;for=10.2.2.2;;, ', '203.0.113.9 http 8080'],
    ['the peer, for a name said twice', 'for=203.0.113.9;for=198.51.100.7', '10.0.0.1 http 8080'],
    ['the peer, for a quote left open', 'for="203.0.113.9', '10.0.0.1 http 8080'],
    ['the peer, for a quote that a client left open before', 'for=198.51.100.7;x=", for="203.0.113.9:80"', '10.0.0.1 http 8080'],
    ['the peer, for what is no list', '203.0.113.9', '10.0.0.1 http 8080'],
    ['the peer, for spaces within', 'for = 203.0.113.9', '10.0.0.1 http 8080'],
    ['the peer, for more than any proxy writes', `for=198.51.100.7,${' '.repeat(2_048)}for=203.0.113.9`, '10.0.0.1 http 8080'],
  ])('%s', (_, value, expected) => {
    expect(read(`Forwarded: ${value}`)).toBe(expected);
  });

  test('found in several lines', () => {
    expect(addressIn('Forwarded: for=198.51.100.7', 'Forwarded: for=203.0.113.9, for=10.3.3.3', 'Forwarded: for=10.2.2.2')).toBe(
      '203.0.113.9',
    );
  });

  test('found after a line of the client that can not be read', () => {
    expect(addressIn('Forwarded: for="', 'Forwarded: for=203.0.113.9')).toBe('203.0.113.9');
  });

  test('not looked for beyond a line that can not be read', () => {
    expect(addressIn('Forwarded: for=203.0.113.9', 'Forwarded: for="', 'Forwarded: for=10.2.2.2')).toBe('10.2.2.2');
  });

  test.each(['X-Forwarded-For: 203.0.113.9', 'X-Forwarded-For: 10.3.3.3', 'X-Forwarded-Proto: http', 'X-Forwarded-Port: 8080'])(
    'not read beside %s',
    (field) => {
      expect(addressIn('Forwarded: for=198.51.100.7;proto=https', field)).not.toBe('198.51.100.7');
    },
  );

  test('not looked for in a thousand lines', () => {
    expect(addressIn('Forwarded: for=203.0.113.9', ...Array<string>(900).fill('Forwarded: for=10.2.2.2'))).toBe('10.2.2.2');
  });
});

test('X-Forwarded-Host says nothing', () => {
  expect(read('X-Forwarded-Host: other.example:444')).toBe('10.0.0.1 http 8080');
});

test('nothing of a request is left for the next', () => {
  read('X-Forwarded-For: 203.0.113.9', 'X-Forwarded-Proto: https', 'X-Forwarded-Port: 8443', 'Forwarded: for=198.51.100.7');
  expect(read()).toBe('10.0.0.1 http 8080');
});
