import { describe, expect, test } from 'vitest';
import { portsOf, toEgressList } from '../../../src/daemon/egress-list.ts';

const blocks = (...named: string[]) => toEgressList(named.map((block) => ({ block, port: 443 })));
const texts = (openings: readonly { block: string }[]): string[] => openings.map(({ block }) => block);

describe('a list of egress', () => {
  test.each([
    '10.20.0.5/32',
    '10.20.0.5',
    '10.0.0.0/8',
    '10.20.0.0/16',
    '169.254.169.254/32',
    '203.0.113.7/32',
    'fd00:ec2::254/128',
    'fd00::/8',
    '2001:db8::5',
  ])('opens %s whatever it is: it is named as such', (block) => {
    expect(blocks(block)).toMatchObject({ named: [{ block, port: 443 }], wide: [] });
  });

  test.each(['0.0.0.0/0', '8.0.0.0/6', '203.0.113.0/24', '2001:db8::/32', '::/0', '0.0.0.0/1'])(
    'opens of %s only what is public',
    (block) => {
      expect(blocks(block)).toMatchObject({ named: [], wide: [{ block, port: 443 }] });
    },
  );

  test('has no block twice, nor one within another of the same port', () => {
    expect(texts(blocks('10.1.2.3', '10.1.0.0/16', '10.1.2.3/32', '10.1.9.9/16', '10.2.0.0/16').named)).toEqual([
      '10.1.0.0/16',
      '10.2.0.0/16',
    ]);
    expect(texts(blocks('203.0.113.128/25', '203.0.113.0/24', '0.0.0.0/0', '::/0').wide)).toEqual(['0.0.0.0/0', '::/0']);
  });

  test('keeps the same block for each of its ports', () => {
    const targets = [80, 443].map((port) => ({ block: '10.0.0.0/8', port }));
    expect(toEgressList(targets).named).toEqual(targets);
  });

  test('is dealt with in a moment, also when it is as long as it may be', () => {
    const long = Array.from({ length: 1_000 }, (_, index) => ({ block: `203.${index % 250}.${Math.floor(index / 250)}.0/24`, port: 443 }));
    expect(toEgressList(long).wide.length).toBe(1_000);
  });

  test('may be all that is public', () => {
    expect(toEgressList('any')).toEqual({ named: [], wide: [], names: [], anyPublic: true });
  });

  test('has ports for its names, and for all that a wildcard covers', () => {
    const list = toEgressList([
      { host: 'api.example', port: 443 },
      { host: 'api.example', port: 80 },
      { host: '*.shop.example', port: 8_443 },
      { host: 'a.shop.example', port: 8_443 },
    ]);
    expect(portsOf(list, 'api.example')).toEqual([443, 80]);
    expect(portsOf(list, 'a.shop.example')).toEqual([8_443]);
    expect(portsOf(list, 'b.a.shop.example')).toEqual([8_443]);
    for (const other of ['shop.example', 'xshop.example', 'x.api.example', 'example', '']) expect(portsOf(list, other)).toEqual([]);
  });
});
