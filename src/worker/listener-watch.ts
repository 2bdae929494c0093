import { setTimeout as delay } from 'node:timers/promises';
import { findPortHolder } from './port-guard.ts';

const lookMs = 15_000;
/** A server that is restarted inside of its program has no listener for a moment. */
const missedLooks = 2;

/** Answers when nothing of ours has listened on the port for two looks in a row. Keeps no process alive. */
export async function awaitDeaf(port: number, uid: number, everyMs = lookMs): Promise<void> {
  for (let missed = 0; missed < missedLooks;) {
    await delay(everyMs, undefined, { ref: false });
    const { held } = await findPortHolder(port, uid);
    missed = held === 'by-us' ? 0 : missed + 1;
  }
}
