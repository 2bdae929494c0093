import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

/** One stream of a program's, on its way. */
export interface Output {
  /** Nothing more comes, and what came was passed on. */
  ended: Promise<true>;
  isBusy(): boolean;
  chunks(): number;
}

/** How long what a program left running may be silent before it is not waited for. */
const silenceMs = 200;

/** Reads only as fast as `write` settles. When nobody takes it any more, it is read and dropped, so that the program can end. */
export function passOn(stream: Readable, write: (chunk: Buffer) => Promise<void>): Output {
  let chunks = 0;
  let writing: Promise<void> | undefined;
  const { promise: ended, resolve } = Promise.withResolvers<true>();

  async function take(chunk: Buffer): Promise<void> {
    chunks += 1;
    stream.pause();
    await write(chunk).catch(() => {});
    writing = undefined;
    stream.resume();
  }

  stream.on('data', (chunk: Buffer) => {
    writing = take(chunk);
  });
  // A terminal whose programs are gone can't be read (EIO): that is its end.
  for (const event of ['end', 'error', 'close']) stream.on(event, () => void Promise.resolve(writing).then(() => resolve(true)));
  return { ended, isBusy: () => writing !== undefined, chunks: () => chunks };
}

/** After a program ended: all that it said, but not for ever what it left in the background and could still say something. */
export async function untilPassedOn(outputs: readonly Output[]): Promise<void> {
  const count = (): number => outputs.reduce((total, output) => total + output.chunks(), 0);
  const allEnded = Promise.all(outputs.map(({ ended }) => ended)).then(() => true);
  for (;;) {
    const before = count();
    if (await Promise.race([allEnded, delay(silenceMs, false)])) return;
    if (count() === before && !outputs.some((output) => output.isBusy())) return;
  }
}
