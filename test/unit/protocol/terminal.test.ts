import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import {
  createFrameReader,
  decodeCount,
  decodeSize,
  encodeCount,
  encodeSize,
  maxPayloadBytes,
  signalNumbered,
  writeBytes,
  writeFrame,
} from '../../../src/protocol/terminal.ts';

type Frame = [type: number, payload: Buffer];

/** What a reader makes of the bytes when they come in pieces of that size. */
function readInPieces(bytes: Buffer, pieceBytes: number): { frames: Frame[]; accepted: boolean } {
  const frames: Frame[] = [];
  const read = createFrameReader((type, payload) => frames.push([type, payload]));
  let accepted = true;
  // Each piece has memory of its own that is used again, as a socket's might be.
  const piece = Buffer.alloc(pieceBytes);
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    const length = bytes.copy(piece, 0, start, start + pieceBytes);
    accepted = read(Buffer.from(piece.subarray(0, length)));
  }
  return { frames, accepted };
}

async function written(...frames: [number, Buffer][]): Promise<Buffer> {
  const stream = new PassThrough({ highWaterMark: 1 << 24 });
  for (const [type, payload] of frames) await writeFrame(stream, type, payload);
  return buffer(stream.end());
}

const texts: Frame[] = [
  [1, Buffer.from('a')],
  [2, Buffer.alloc(0)],
  [18, Buffer.from('ä€\u{1f600}')],
  [255, Buffer.alloc(maxPayloadBytes, 7)],
  [3, Buffer.from('end')],
];

describe('frames', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 100, 65_536, 200_000])('come as they went, in pieces of %i bytes', async (pieceBytes) => {
    const { frames, accepted } = readInPieces(await written(...texts), pieceBytes);
    expect(accepted).toBe(true);
    expect(frames).toEqual(texts);
  });

  test('over the limit break the reader for good', async () => {
    const tooLarge = Buffer.alloc(5);
    tooLarge.writeUInt32BE(maxPayloadBytes + 1, 1);
    const frames: Frame[] = [];
    const read = createFrameReader((type, payload) => frames.push([type, payload]));
    expect(read(await written([1, Buffer.from('before')]))).toBe(true);
    expect(read(tooLarge)).toBe(false);
    expect(read(await written([1, Buffer.from('after')]))).toBe(false);
    expect(frames).toEqual([[1, Buffer.from('before')]]);
  });

  test('over the limit are refused by their head, whatever comes in one piece with it', () => {
    const read = createFrameReader(() => {
      throw new Error('a frame came');
    });
    expect(read(Buffer.alloc(200_000, 0xff))).toBe(false);
  });

  test('of random bytes never make a reader throw', () => {
    let state = 1;
    const random = (): number => (state = (state * 48_271) % 0x7fffffff);
    for (let round = 0; round < 2_000; round++) {
      const read = createFrameReader(() => {});
      for (let piece = 0; piece < 3; piece++) {
        const bytes = Buffer.from(Array.from({ length: random() % 40 }, () => (random() % 3 === 0 ? random() % 256 : 0)));
        expect(typeof read(bytes)).toBe('boolean');
      }
    }
  });

  test('keep their payload when the next ones come', () => {
    const payloads: Buffer[] = [];
    const read = createFrameReader((_, payload) => payloads.push(payload));
    const one = (text: string): Buffer => Buffer.concat([Buffer.from([1, 0, 0, 0, text.length]), Buffer.from(text)]);
    for (const text of ['first', 'other']) {
      read(one(text).subarray(0, 7));
      read(one(text).subarray(7));
    }
    expect(payloads.map(String)).toEqual(['first', 'other']);
  });

  test('of a long text are as many as it takes', async () => {
    const stream = new PassThrough({ highWaterMark: 1 << 24 });
    const text = Buffer.alloc(2 * maxPayloadBytes + 10, 'x');
    await writeBytes(stream, 17, text);
    const { frames } = readInPieces(await buffer(stream.end()), 1_000_000);
    expect(frames.map(([type, payload]) => [type, payload.length])).toEqual([
      [17, maxPayloadBytes],
      [17, maxPayloadBytes],
      [17, 10],
    ]);
    expect(Buffer.concat(frames.map(([, payload]) => payload)).equals(text)).toBe(true);
  });

  test('that nobody takes any more are told', async () => {
    const stream = new PassThrough();
    stream.on('error', () => {});
    stream.destroy();
    await expect(writeFrame(stream, 1, Buffer.from('x'))).rejects.toThrow('destroyed');
  });
});

describe('payloads', () => {
  test('of sizes and counts', () => {
    expect(decodeSize(encodeSize({ columns: 120, rows: 40 }))).toEqual({ columns: 120, rows: 40 });
    expect(decodeSize(encodeSize({ columns: 1e9, rows: 1 }))).toEqual({ columns: 65_535, rows: 1 });
    expect(decodeCount(encodeCount(4_000_000_000))).toBe(4_000_000_000);
  });

  test.each([Buffer.alloc(0), Buffer.alloc(4), Buffer.from([0, 80, 0, 0]), Buffer.alloc(5, 1)])('that are no size: %o', (payload) => {
    expect(decodeSize(payload)).toBeUndefined();
  });

  test('of signals are those that may be sent', () => {
    expect([1, 2, 3, 15].map(signalNumbered)).toEqual(['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM']);
    expect([0, 9, 19, 255, undefined].map(signalNumbered)).toEqual([undefined, undefined, undefined, undefined, undefined]);
  });
});
