import { flag, frameHeadBytes, frameType, maxFrameBytes, writeFrameHead } from './frames.ts';
import { HpackEncoder, mostBytesOf } from './hpack-encoder.ts';
import type { Output } from './output.ts';
import type { FieldList, FieldSource, KeepsField } from './response-head.ts';
import type { Slab } from './slabs.ts';

/** Writes field sections as HEADERS and, beyond a frame, CONTINUATION (RFC 9113 6.2, 6.10). */
export class HeadWriter {
  readonly encoder = new HpackEncoder();
  private readonly output: Output;

  constructor(output: Output) {
    this.output = output;
  }

  head<Source extends FieldSource>(
    streamId: number,
    status: number,
    source: Source | undefined,
    keeps: KeepsField<Source> | undefined,
    added: FieldList,
    ended: boolean,
  ): void {
    const { encoder } = this;
    // The block is written to where it goes out from, behind the room for its frame's head.
    const slab = this.output.reserve(frameHeadBytes + mostBytesOf(source, added));
    encoder.begin(slab.bytes, slab.at + frameHeadBytes);
    encoder.status(status);
    if (source && keeps) encoder.fields(source, keeps);
    encoder.pairs(added);
    this.frames(streamId, slab, encoder.end(), ended);
  }

  /** Whole HTTP/1.1 field lines, as the end of a stream. */
  trailers(streamId: number, fieldLines: string): void {
    const list = fieldsOf(fieldLines);
    const slab = this.output.reserve(frameHeadBytes + mostBytesOf(undefined, list));
    this.encoder.begin(slab.bytes, slab.at + frameHeadBytes);
    this.encoder.pairs(list);
    this.frames(streamId, slab, this.encoder.end(), true);
  }

  private frames(streamId: number, slab: Slab, blockEnd: number, ended: boolean): void {
    const start = slab.at + frameHeadBytes;
    const end = ended ? flag.endStream : 0;
    if (blockEnd - start > maxFrameBytes) return this.split(streamId, Buffer.from(slab.bytes.subarray(start, blockEnd)), end);
    writeFrameHead(slab.bytes, slab.at, blockEnd - start, frameType.headers, end | flag.endHeaders, streamId);
    this.output.advance(slab, blockEnd - slab.at);
  }

  private split(streamId: number, block: Buffer, endStream: number): void {
    for (let from = 0; from < block.length; from += maxFrameBytes) {
      const to = Math.min(block.length, from + maxFrameBytes);
      const type = from === 0 ? frameType.headers : frameType.continuation;
      const flags = (from === 0 ? endStream : 0) | (to === block.length ? flag.endHeaders : 0);
      this.output.frame(type, flags, streamId, block, from, to);
    }
  }
}

function fieldsOf(lines: string): string[] {
  const list: string[] = [];
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) list.push(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return list;
}
