import { describe, expect, test } from 'vitest';
import { DecoderTable } from '../../../src/http2/decoder-table.ts';
import { HpackDecoder } from '../../../src/http2/hpack-decoder.ts';
import { integer, text } from './peer.ts';

class Side {
  readonly table = new DecoderTable();
  private readonly decoder = new HpackDecoder(100_000);

  /** The fields of a block, undefined when it is malformed. */
  read(...parts: (string | Buffer)[]): string[] | undefined {
    const bytes = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part.replaceAll(' ', ''), 'hex') : part)));
    const fields: string[] = [];
    const intact = this.decoder.decode(bytes, 0, bytes.length, this.table, { add: ({ name, value }) => fields.push(`${name}: ${value}`) });
    return intact ? fields : undefined;
  }

  /** What the dynamic table holds, newest first. */
  get entries(): string[] {
    const entries: string[] = [];
    for (let index = 62; ; index++) {
      const entry = this.table.lookup(index);
      if (!entry) return entries;
      entries.push(`${entry.name}: ${entry.value}`);
    }
  }
}

const first = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'];
const second = [...first, 'cache-control: no-cache'];
const third = [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com', 'custom-key: custom-value'];

const status302 = [':status: 302', 'cache-control: private', 'date: Mon, 21 Oct 2013 20:13:21 GMT', 'location: https://www.example.com'];
const status307 = [':status: 307', ...status302.slice(1)];
const cookie = 'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';
const status200 = [
  ...[':status: 200', 'cache-control: private', 'date: Mon, 21 Oct 2013 20:13:22 GMT', 'location: https://www.example.com'],
  ...['content-encoding: gzip', cookie],
];

describe('RFC 7541 appendix C', () => {
  test.each([
    ['C.2.1', '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', 'custom-key: custom-header', 1],
    ['C.2.2', '040c 2f73 616d 706c 652f 7061 7468', ':path: /sample/path', 0],
    ['C.2.3', '1008 7061 7373 776f 7264 0673 6563 7265 74', 'password: secret', 0],
    ['C.2.4', '82', ':method: GET', 0],
  ])('%s', (_, hex, field, entries) => {
    const side = new Side();
    expect(side.read(hex)).toEqual([field]);
    expect(side.entries.length).toBe(entries);
  });

  test.each([
    [
      'C.3: requests',
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ],
    [
      'C.4: requests with Huffman coding',
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ],
  ])('%s', (_, one, two, three) => {
    const side = new Side();
    expect(side.read(one)).toEqual(first);
    expect(side.entries).toEqual([':authority: www.example.com']);
    expect(side.read(two)).toEqual(second);
    expect(side.read(three)).toEqual(third);
    expect(side.entries).toEqual(['custom-key: custom-value', 'cache-control: no-cache', ':authority: www.example.com']);
  });

  test.each([
    [
      'C.5: responses, with eviction',
      '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '4803 3330 37c1 c0bf',
      '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
    ],
    [
      'C.6: responses with Huffman coding, with eviction',
      '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
      '4883 640e ffc1 c0bf',
      '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
    ],
  ])('%s', (_, one, two, three) => {
    const side = new Side();
    expect(side.table.resize(256)).toBe(true);
    expect(side.read(one)).toEqual(status302);
    expect(side.read(two)).toEqual(status307);
    expect(side.entries).toEqual([':status: 307', ...status302.slice(1).toReversed()]);
    expect(side.read(three)).toEqual(status200);
    expect(side.entries).toEqual([cookie, 'content-encoding: gzip', 'date: Mon, 21 Oct 2013 20:13:22 GMT']);
  });
});

describe('the decoder', () => {
  const long = `40${text('n').toString('hex')}`;

  test.each([
    ['80', 'index 0'],
    ['be', 'an index beyond the table'],
    ['7f00', 'a name index beyond the table'],
    ['ff', 'an integer without its end'],
    ['ffffffffff7f', 'an integer that is too long'],
    ['ff80808080808000', 'an integer with too many zeros'],
    ['40', 'a literal without a name'],
    ['4001', 'a name cut short'],
    ['400161', 'a literal without a value'],
    ['40016105', 'a value cut short'],
    ['400161ff', 'a length cut short'],
    ['400161ffffffff07', 'a huge length'],
    ['40016181ff', 'malformed Huffman coding'],
    ['8220', 'a size update after a field'],
    ['3fe21f', 'a size update over what is allowed'],
  ])('refuses %s: %s', (hex) => {
    expect(new Side().read(hex)).toBeUndefined();
  });

  test('takes size updates at the beginning of a block, and evicts by them', () => {
    const side = new Side();
    side.read(long, text('a'), long, text('b'));
    expect(side.entries).toEqual(['n: b', 'n: a']);
    expect(side.read('3f 03')).toEqual([]);
    expect(side.entries).toEqual(['n: b']);
    expect(side.read('20 3f e1 1f 82')).toEqual([':method: GET']);
    expect(side.entries).toEqual([]);
  });

  test('an entry that is too large empties the table and is a field all the same', () => {
    const side = new Side();
    side.read(long, text('a'));
    expect(side.read(long, text('x'.repeat(5_000)))).toEqual([`n: ${'x'.repeat(5_000)}`]);
    expect(side.entries).toEqual([]);
    expect(side.read(long, text('b'), 'be')).toEqual(['n: b', 'n: b']);
  });

  test('a new entry may take its name from the entry that it evicts', () => {
    const side = new Side();
    side.read(long, text('x'.repeat(4_000)));
    expect(side.read(integer(62, 6, 0x40), text('y'.repeat(4_000)))).toEqual([`n: ${'y'.repeat(4_000)}`]);
    expect(side.entries.length).toBe(1);
  });

  test('the table wraps around as often as it likes', () => {
    const side = new Side();
    for (let turn = 0; turn < 1_000; turn++) {
      const value = String(turn);
      expect(side.read(long, text(value), 'be')).toEqual([`n: ${value}`, `n: ${value}`]);
    }
    const size = side.entries.reduce((sum, entry) => sum + entry.length - 2 + 32, 0);
    expect(size).toBeLessThanOrEqual(4_096);
    expect(size).toBeGreaterThan(4_096 - 36);
    expect(side.entries.slice(0, 2)).toEqual(['n: 999', 'n: 998']);
  });
});
