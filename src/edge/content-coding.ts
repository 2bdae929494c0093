import {
  type BrotliCompress,
  brotliCompressSync,
  constants,
  createBrotliCompress,
  createGzip,
  createZstdCompress,
  type Gzip,
  gzipSync,
  type ZstdCompress,
  zstdCompressSync,
} from 'node:zlib';
import type { Coding } from '../http1/accept-encoding.ts';

export type Coder = Gzip | BrotliCompress | ZstdCompress;

/*
 * Levels and windows for answers made while a client waits. Memory that one open coder holds, after 2 KiB and after 1 MiB of text,
 * and CPU for 1 MiB: gzip 190..275 KiB, 12 ms; br 580..880 KiB, 14 ms; zstd 285..600 KiB, 5 ms. With the libraries' own windows
 * zstd would hold 850 KiB and 1.5 MiB, and br 1.2 MiB, for a few percent less to send. Each write is flushed, so that what an app
 * sent so far can be read (server-sent events): whole pieces of 64 KiB lose nothing measurable by that.
 */
const gzip = { level: 4, windowBits: 14, memLevel: 7 };
const brotli = {
  params: {
    [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
    [constants.BROTLI_PARAM_QUALITY]: 4,
    [constants.BROTLI_PARAM_LGWIN]: 16,
  },
};
const zstd = {
  params: {
    [constants.ZSTD_c_compressionLevel]: 3,
    [constants.ZSTD_c_windowLog]: 17,
    [constants.ZSTD_c_hashLog]: 15,
    [constants.ZSTD_c_chainLog]: 14,
  },
};

/** A stream whose every write comes out at once, compressed on the thread pool. */
export const openCoder: Record<Coding, () => Coder> = {
  gzip: () => createGzip({ ...gzip, flush: constants.Z_SYNC_FLUSH }),
  br: () => createBrotliCompress({ ...brotli, flush: constants.BROTLI_OPERATION_FLUSH }),
  zstd: () => createZstdCompress({ ...zstd, flush: constants.ZSTD_e_flush }),
};

/** For small content: less work than a stream and its way through the thread pool. */
export const compressAtOnce: Record<Coding, (content: Buffer) => Buffer> = {
  gzip: (content) => gzipSync(content, gzip),
  br: (content) => brotliCompressSync(content, brotli),
  zstd: (content) => zstdCompressSync(content, zstd),
};
