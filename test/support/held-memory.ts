import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/**
 * Bytes of buffers that somebody still holds: what waits to be collected says nothing. One collection may leave
 * what was being collected already when it began, so it goes on until nothing more is freed.
 */
export function heldBufferBytes(): number {
  let before = Number.POSITIVE_INFINITY;
  for (;;) {
    collectGarbage();
    const { arrayBuffers } = process.memoryUsage();
    if (arrayBuffers >= before) return arrayBuffers;
    before = arrayBuffers;
  }
}
