import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { findPortHolder, judge, parseListeners } from '../../../src/worker/port-guard.ts';

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:4E20 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 5001 1 0 100 0 0 10 0
   1: 0100007F:4E20 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1002        0 5002 1 0 20 4 0 10 -1
   2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1002        0 5003 1 0 100 0 0 10 0
`;

const loopback4 = '0100007F';
const any6 = '0'.repeat(32);
const listener = (addressHex: string, uid: number): { addressHex: string; uid: number; port: number } => ({ addressHex, uid, port: 80 });

describe('who holds a port', () => {
  test('is read from the listening sockets alone', () => {
    expect(parseListeners(table)).toEqual([
      { addressHex: loopback4, port: 20_000, uid: 1001 },
      { addressHex: '00000000', port: 8080, uid: 1002 },
    ]);
  });

  test('is us when every listener that 127.0.0.1 could reach has our uid', () => {
    expect(judge([listener(loopback4, 1)], [], 80, 1)).toEqual({ held: 'by-us', host: '127.0.0.1' });
    expect(judge([listener('00000000', 1)], [listener(any6, 2)], 80, 1)).toEqual({ held: 'by-us', host: '127.0.0.1' });
  });

  test('is us over IPv6 when only that is ours', () => {
    expect(judge([listener(loopback4, 2)], [listener(any6, 1)], 80, 1)).toEqual({ held: 'by-us', host: '::1' });
  });

  test('is another when its uid is not ours', () => {
    expect(judge([listener(loopback4, 2)], [], 80, 1)).toEqual({ held: 'by-another' });
    expect(judge([listener(loopback4, 1), listener('00000000', 2)], [], 80, 1)).toEqual({ held: 'by-another' });
  });

  test('is none when nothing listens there, or on another address only', () => {
    expect(judge([listener('0200000A', 1)], [], 80, 1)).toEqual({ held: 'by-none' });
    expect(judge([listener(loopback4, 1)], [], 81, 1)).toEqual({ held: 'by-none' });
  });

  test('is found on this machine', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const uid = process.getuid?.() ?? -1;
    expect(await findPortHolder(port, uid)).toEqual({ held: 'by-us', host: '127.0.0.1' });
    expect(await findPortHolder(port, uid + 1)).toEqual({ held: 'by-another' });
    server.close();
  });
});
