import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Less is not worth the pause: about 3 ms a megabyte that is in use. */
const worthBytes = 32 << 20;

/**
 * Gives back to the machine what was needed once: V8 keeps a heap as large as it ever was. Everything waits meanwhile, so it is
 * for after a start.
 */
export function returnMemory(): void {
  const { heapTotal, heapUsed } = process.memoryUsage();
  if (heapTotal - heapUsed < worthBytes) return;
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: object) => void;
  setFlagsFromString('--no-expose-gc');
  collect({ type: 'major', flavor: 'last-resort' });
}
