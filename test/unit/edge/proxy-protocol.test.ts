import { describe, expect, test } from 'vitest';
import type { ProxyHeaderRead } from '../../../src/edge/proxied-connection.ts';
import { readProxyHeader } from '../../../src/edge/proxy-protocol.ts';

const plain = (text: string): Buffer => Buffer.from(text, 'latin1');
const signature = plain('\r\n\r\n\0\r\nQUIT\n');
const tcp4 = Buffer.from([203, 0, 113, 9, 198, 51, 100, 1, 0x12, 0x67, 0x01, 0xbb]);
const zeros = '0'.repeat(23);
const tcp6 = Buffer.from(`20010db8${zeros}120010db8${zeros}2126701bb`, 'hex');

/** A header of version 2; `command` 0x21 for PROXY, 0x20 for LOCAL. */
function v2(family: number, body: Buffer, { command = 0x21, length = body.length } = {}): Buffer {
  return Buffer.concat([signature, Buffer.from([command, family, length >> 8, length & 0xff]), body]);
}

function tlv(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 0xff]), value]);
}

function ends(read: ProxyHeaderRead): unknown {
  if (!('done' in read) || !read.done) return read;
  const { source, destination } = read.connection;
  return source && destination ? `${source.address} ${source.port} ${destination.address} ${destination.port}` : 'nobody';
}

/** What is read of each beginning, shortest first, as far as it changes. */
function readGrowing(bytes: Buffer): unknown[] {
  const reads = Array.from(bytes, (_, index) => ends(readProxyHeader(bytes.subarray(0, index + 1))));
  return reads.filter((read, index) => JSON.stringify(read) !== JSON.stringify(reads[index - 1]));
}

describe('version 1 names', () => {
  test.each([
    ['IPv4', 'PROXY TCP4 203.0.113.9 198.51.100.1 4711 443\r\n', '203.0.113.9 4711 198.51.100.1 443'],
    ['IPv6', 'PROXY TCP6 2001:DB8::1 2001:db8::2 4711 443\r\n', '2001:db8::1 4711 2001:db8::2 443'],
    [
      'the longest that there is',
      `PROXY TCP6 ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`,
      expect.stringContaining('65535'),
    ],
    ['nobody', 'PROXY UNKNOWN\r\n', 'nobody'],
    ['nobody, whatever else it says', 'PROXY UNKNOWN 203.0.113.9 198.51.100.1 4711 443\r\n', 'nobody'],
  ])('%s', (_, line, expected) => {
    const read = readProxyHeader(plain(`${line}GET / HTTP/1.1\r\n`));
    expect(ends(read)).toEqual(expected);
    expect(read).toMatchObject({ headerBytes: line.length });
    expect(readGrowing(plain(line))).toEqual([{ done: false }, expected]);
  });
});

describe('version 1 is refused', () => {
  test.each([
    ['with a family that there is not', 'PROXY TCP5 203.0.113.9 198.51.100.1 4711 443\r\n'],
    ['with no family', 'PROXY \r\n'],
    ['with addresses of the other family', 'PROXY TCP4 2001:db8::1 2001:db8::2 4711 443\r\n'],
    ['with IPv4 addresses as IPv6', 'PROXY TCP6 203.0.113.9 198.51.100.1 4711 443\r\n'],
    ['with a zone', 'PROXY TCP6 fe80::1%eth0 fe80::2 4711 443\r\n'],
    ['with an address that begins with a zero', 'PROXY TCP4 203.0.113.09 198.51.100.1 4711 443\r\n'],
    ['with two spaces', 'PROXY TCP4  203.0.113.9 198.51.100.1 4711 443\r\n'],
    ['with a tab', 'PROXY TCP4\t203.0.113.9 198.51.100.1 4711 443\r\n'],
    ['with more at its end', 'PROXY TCP4 203.0.113.9 198.51.100.1 4711 443 \r\n'],
    ['with one port', 'PROXY TCP4 203.0.113.9 198.51.100.1 4711\r\n'],
    ['with a port too high', 'PROXY TCP4 203.0.113.9 198.51.100.1 65536 443\r\n'],
    ['with a port that begins with a zero', 'PROXY TCP4 203.0.113.9 198.51.100.1 04711 443\r\n'],
    ['with a negative port', 'PROXY TCP4 203.0.113.9 198.51.100.1 -1 443\r\n'],
    ['with a bare line feed in it', 'PROXY TCP4 203.0.113.9 198.51.100.1 4711 443\nx\r\n'],
    ['when it does not end within 107 bytes', `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`],
    ['in lower case', 'proxy tcp4 203.0.113.9 198.51.100.1 4711 443\r\n'],
  ])('%s', (_, line) => {
    expect(readProxyHeader(plain(line))).toEqual({ fault: expect.any(String) as string });
  });

  test('no later than after 107 bytes without an end', () => {
    expect(readProxyHeader(plain('PROXY UNKNOWN '.padEnd(106, 'x')))).toEqual({ done: false });
    expect(readProxyHeader(plain('PROXY UNKNOWN '.padEnd(107, 'x')))).toHaveProperty('fault');
  });
});

describe('version 2 names', () => {
  test.each([
    ['IPv4', v2(0x11, tcp4), '203.0.113.9 4711 198.51.100.1 443'],
    ['IPv6', v2(0x21, tcp6), '2001:db8::1 4711 2001:db8::2 443'],
    ['nobody, for the proxy itself', v2(0x11, tcp4, { command: 0x20 }), 'nobody'],
    ['nobody, for the proxy itself with a family of its own', v2(0xff, plain('anything'), { command: 0x20 }), 'nobody'],
    ['nobody, for what is not specified', v2(0x00, plain('anything')), 'nobody'],
    ['nobody, for UDP', v2(0x12, tcp4), 'nobody'],
    ['nobody, for a Unix socket', v2(0x31, Buffer.alloc(216)), 'nobody'],
    [
      'its ends beside additions',
      v2(0x11, Buffer.concat([tcp4, tlv(0x01, plain('h2')), tlv(0x04, Buffer.alloc(3_000))])),
      '203.0.113.9 4711 198.51.100.1 443',
    ],
  ])('%s', (_, bytes, expected) => {
    const read = readProxyHeader(Buffer.concat([bytes, plain('GET / HTTP/1.1\r\n')]));
    expect(ends(read)).toEqual(expected);
    expect(read).toMatchObject({ headerBytes: bytes.length });
    expect(readGrowing(bytes)).toEqual([{ done: false }, expected]);
  });

  test.each([
    [0x01, true],
    [0x07, true],
    [0x00, false],
    [0x02, false],
  ])('a client whose TLS flags are %i as one with TLS: %s', (flags, secure) => {
    const bytes = v2(0x11, Buffer.concat([tcp4, tlv(0x20, Buffer.from([flags, 0, 0, 0, 0]))]));
    expect(readProxyHeader(bytes)).toMatchObject({ connection: { secure } });
  });
});

describe('version 2 is refused', () => {
  test.each([
    ['with another version', v2(0x11, tcp4, { command: 0x11 })],
    ['with a command that there is not', v2(0x11, tcp4, { command: 0x22 })],
    ['with a family that there is not', v2(0x41, tcp4)],
    ['with a transport that there is not', v2(0x13, tcp4)],
    ['when it is too short for IPv4', v2(0x11, tcp4.subarray(1))],
    ['when it is too short for IPv6', v2(0x21, tcp4)],
    ['when it is longer than 4 KiB, before that came', v2(0x11, tcp4, { length: 4_081 })],
    ['with half an addition', v2(0x11, Buffer.concat([tcp4, Buffer.from([0x01, 0x00])]))],
    ['with an addition longer than itself', v2(0x11, Buffer.concat([tcp4, Buffer.from([0x01, 0x00, 0x02, 0x68])]))],
  ])('%s', (_, bytes) => {
    expect(readProxyHeader(bytes)).toEqual({ fault: expect.any(String) as string });
  });

  test.each([0, 1, 4, 11])('when byte %i of its signature is another one', (index) => {
    const bytes = v2(0x11, tcp4);
    bytes[index] = 0x41;
    expect(readProxyHeader(bytes)).toHaveProperty('fault');
    expect(readProxyHeader(bytes.subarray(0, index + 1))).toHaveProperty('fault');
  });
});

describe('the checksum of version 2', () => {
  const checksum = Buffer.from('be7ae250', 'hex');
  const bytes = v2(0x11, Buffer.concat([tcp4, tlv(0x03, checksum)]));

  test('is accepted when it fits', () => {
    expect(ends(readProxyHeader(bytes))).toBe('203.0.113.9 4711 198.51.100.1 443');
  });

  test.each(Array.from(bytes.subarray(16), (_, index) => 16 + index).filter((index) => index < 28 || index > 30))(
    'shows that byte %i is another one',
    (index) => {
      const changed = Buffer.from(bytes);
      changed[index] = (changed[index] ?? 0) ^ 0x10;
      expect(readProxyHeader(changed)).toHaveProperty('fault');
    },
  );

  test('is refused when it has another length, or comes twice', () => {
    expect(readProxyHeader(v2(0x11, Buffer.concat([tcp4, tlv(0x03, Buffer.alloc(3))])))).toHaveProperty('fault');
    expect(readProxyHeader(v2(0x11, Buffer.concat([tcp4, tlv(0x03, checksum), tlv(0x03, checksum)])))).toHaveProperty('fault');
  });
});

test.each(['G', 'GET / HTTP/1.1\r\n', '\r\n\r\nGET', '\x16\x03\x01', 'PRI * HTTP/2.0\r\n', 'PROXI', 'POST'])(
  '%j begins no PROXY header',
  (text) => {
    expect(readProxyHeader(plain(text))).toEqual({ fault: 'no PROXY header' });
  },
);

test('without a byte more are needed', () => {
  expect(readProxyHeader(Buffer.alloc(0))).toEqual({ done: false });
});

test('any bytes are read without an exception', () => {
  for (let seed = 0; seed < 20_000; seed++) {
    const bytes = v2(seed & 0xff, Buffer.from(`${seed}`.repeat(seed % 40), 'hex'), {
      command: 0x20 | ((seed >> 8) & 1),
      length: seed % 97,
    });
    const read = readProxyHeader(bytes);
    expect('fault' in read || !read.done || read.headerBytes <= bytes.length).toBe(true);
  }
});
