import { once } from 'node:events';
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createZstdDecompress,
  gunzipSync,
  zstdDecompressSync,
} from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { CompressionShare } from '../../../src/edge/compression-share.ts';
import { Compressor, type CompressorSink } from '../../../src/edge/compressor.ts';
import { type Coding, codings } from '../../../src/http1/accept-encoding.ts';

const acme = 'acme' as TenantName;
const decode = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync };
const createDecoder = { gzip: createGunzip, br: createBrotliDecompress, zstd: createZstdDecompress };

class Collected implements CompressorSink {
  readonly pieces: Buffer[] = [];
  drains = 0;
  ends = 0;
  readonly ended = Promise.withResolvers<void>();
  private waiting = Promise.withResolvers<void>();

  onCompressed(bytes: Buffer): void {
    this.pieces.push(bytes);
    this.tell();
  }

  onCompressedEnd(): void {
    this.ends++;
    this.ended.resolve();
  }

  onCompressorDrain(): void {
    this.drains++;
    this.tell();
  }

  onCompressorFault(error: Error): void {
    this.ended.reject(error);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.pieces);
  }

  /** Until something comes out or is taken in. */
  async event(): Promise<void> {
    await this.waiting.promise;
  }

  private tell(): void {
    this.waiting.resolve();
    this.waiting = Promise.withResolvers();
  }
}

function start(coding: Coding, share = new CompressionShare()): { compressor: Compressor; out: Collected; share: CompressionShare } {
  const out = new Collected();
  if (!share.enter(acme, false)) throw new Error('there is no room');
  return { compressor: new Compressor(coding, acme, share, out), out, share };
}

/** Text that is not the same over and over. */
function text(bytes: number): Buffer {
  let words = '';
  for (let n = 1; words.length < bytes; n++) words += `${(n * 2_654_435_761) % 65_521} is item ${n}; `;
  return Buffer.from(words.slice(0, bytes));
}

/** A turn of the event loop in which nothing else is to happen. */
async function turn(): Promise<void> {
  for (let round = 0; round < 3; round++) await new Promise((resolve) => setImmediate(resolve));
}

describe.each(codings)('content in %s', (coding) => {
  test.each([0, 1, 4_096, 4_097, 70_000, 1_000_000])('comes out whole: %i bytes', async (size) => {
    const { compressor, out } = start(coding);
    const content = text(size);
    for (let at = 0; at < size; at += 65_536) if (!compressor.write(content.subarray(at, at + 65_536))) await out.event();
    compressor.end();
    await out.ended.promise;
    expect(decode[coding](out.bytes).equals(content)).toBe(true);
    expect(out.ends).toBe(1);
    expect(out.bytes.length).toBeLessThan(size / 2 + 64);
  });

  test('can be read piece by piece, before it ends', async () => {
    const { compressor, out } = start(coding);
    const decoder = createDecoder[coding]();
    for (const piece of ['data: one\n\n', 'data: two\n\n', 'data: three\n\n']) {
      compressor.write(Buffer.from(piece));
      await out.event();
      const read = once(decoder, 'data');
      for (const bytes of out.pieces.splice(0)) decoder.write(bytes);
      expect(String((await read)[0])).toBe(piece);
    }
    expect(out.ends).toBe(0);
    compressor.end();
    await out.ended.promise;
    decoder.end(out.bytes);
    await once(decoder.resume(), 'end');
  });
});

describe('back-pressure', () => {
  test('a writer is told to wait, and when to go on', async () => {
    const { compressor, out } = start('gzip');
    expect(compressor.write(text(60_000))).toBe(true);
    expect(compressor.write(text(10_000))).toBe(false);
    expect(compressor.write(text(1))).toBe(false);
    expect(out.drains).toBe(0);
    while (out.drains === 0) await out.event();
    expect(compressor.write(text(1))).toBe(true);
    compressor.end();
    await out.ended.promise;
    expect(decode.gzip(out.bytes).length).toBe(70_002);
    expect(out.drains).toBe(1);
  });

  test('nothing is begun while it is paused, not even the end', async () => {
    const { compressor, out } = start('br');
    compressor.pause();
    expect(compressor.write(text(70_000))).toBe(false);
    compressor.end();
    await turn();
    expect([out.pieces.length, out.drains, out.ends]).toEqual([0, 0, 0]);
    compressor.resume();
    await out.ended.promise;
    expect(decode.br(out.bytes).length).toBe(70_000);
  });

  test('a pause in the middle of the output loses nothing', async () => {
    const { compressor, out } = start('zstd');
    const content = text(300_000);
    for (let at = 0; at < content.length; at += 50_000) {
      const before = out.pieces.length;
      compressor.write(content.subarray(at, at + 50_000));
      while (out.pieces.length === before) await out.event();
      compressor.pause();
      compressor.resume();
    }
    compressor.end();
    await out.ended.promise;
    expect(decode.zstd(out.bytes).equals(content)).toBe(true);
  });
});

describe('many small writes', () => {
  test('in one turn are compressed as one', async () => {
    const { compressor, out } = start('gzip');
    for (let n = 0; n < 200; n++) compressor.write(Buffer.from(`line ${n}\n`));
    await out.event();
    compressor.end();
    await out.ended.promise;
    // A flush ends in 00 00 FF FF: one for all of them.
    expect(out.bytes.toString('latin1').split('\0\0\xff\xff').length).toBe(2);
  });
});

describe('an answer that is given up', () => {
  test('says nothing more, and gives its room and its turn back', async () => {
    const share = new CompressionShare({ open: 1, openOfTenant: 1, running: 1 });
    for (const coding of codings) {
      for (const moment of ['before a turn', 'in a turn', 'in its last turn', 'after some output']) {
        const { compressor, out } = start(coding, share);
        compressor.write(text(60_000));
        if (moment === 'in a turn' || moment === 'in its last turn') compressor.write(text(60_000));
        if (moment === 'in its last turn') compressor.end();
        if (moment !== 'before a turn') await out.event();
        compressor.destroy();
        compressor.destroy();
        const pieces = out.pieces.length;
        const next = start(coding, share);
        next.compressor.write(text(10_000));
        next.compressor.end();
        await next.out.ended.promise;
        expect([moment, out.pieces.length, out.ends]).toEqual([moment, pieces, 0]);
      }
    }
  });

  test('makes way for the others that wait for a turn', async () => {
    const share = new CompressionShare({ open: 40, openOfTenant: 40, running: 1 });
    const answers = Array.from({ length: 40 }, () => start('gzip', share));
    for (const { compressor } of answers) {
      compressor.write(text(20_000));
      compressor.end();
    }
    await turn();
    const [kept, ...given] = answers.toReversed();
    const endsBefore = given.map(({ out }) => out.ends);
    for (const { compressor } of given) compressor.destroy();
    await kept?.out.ended.promise;
    expect(given.map(({ out }) => out.ends)).toEqual(endsBefore);
    for (let n = 0; n < 40; n++) expect(share.enter(acme, false)).toBe(true);
  });
});
