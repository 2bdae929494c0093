import { fstatSync, readSync } from 'node:fs';

const newline = 0x0a;
const blockBytes = 16_384;
/** So near, reading on is as good. */
const nearBytes = 32_768;
/** A line that can be read is found in so much, or it is none of ours. */
const maxLookBytes = 262_144;

export type IsBefore = (line: string) => boolean | undefined;

interface Found {
  offset: number;
  isBefore: boolean;
}

/**
 * Where a line begins that is before what is wanted, and not far from its end: in a file whose lines are in order, by halving it. Undefined
 * when its first line is not before.
 */
export function seekLine(fd: number, isBefore: IsBefore): number | undefined {
  const first = firstLine(fd, 0, isBefore);
  if (!first?.isBefore) return undefined;
  let from = first.offset;
  for (let end = fstatSync(fd).size; end - from > nearBytes;) {
    const middle = Math.floor((from + end) / 2);
    const found = firstLine(fd, middle, isBefore);
    if (found?.isBefore && found.offset < end) from = found.offset;
    else end = middle;
  }
  return from;
}

/** The first line that begins behind `offset` (at it, for 0) and can be read. */
function firstLine(fd: number, offset: number, isBefore: IsBefore): Found | undefined {
  let bytes: Buffer = Buffer.alloc(0);
  for (let isMore = true; isMore && bytes.length < maxLookBytes;) {
    const block = Buffer.allocUnsafe(blockBytes);
    const readBytes = readSync(fd, block, 0, blockBytes, offset + bytes.length);
    bytes = Buffer.concat([bytes, block.subarray(0, readBytes)]);
    isMore = readBytes > 0;
    const found = findLine(bytes, offset === 0, isBefore);
    if (found) return { ...found, offset: offset + found.offset };
  }
  return undefined;
}

function findLine(bytes: Buffer, isStart: boolean, isBefore: IsBefore): Found | undefined {
  let start = isStart ? 0 : bytes.indexOf(newline) + 1;
  if (start === 0 && !isStart) return undefined;
  for (let end = bytes.indexOf(newline, start); end !== -1; end = bytes.indexOf(newline, start)) {
    const answer = isBefore(bytes.toString('utf8', start, end));
    if (answer !== undefined) return { offset: start, isBefore: answer };
    start = end + 1;
  }
  return undefined;
}
