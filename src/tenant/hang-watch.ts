import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionEnd, endsConnections } from './probe.ts';

export interface HangWatchOptions {
  socket: string;
  /** So long without a heartbeat, and without an answer to what is asked then. */
  limitMs: number;
  /** Whether a heartbeat came since this was called last. */
  takeBeat: () => boolean;
  ended: AbortSignal;
}

const looksInLimit = 6;
const maxProbeMs = 5_000;

/**
 * Answers when a worker is hung: its event loop does not turn. Silence alone is no proof (an app may have closed the descriptor, a
 * worker may be older than heartbeats), so a silent worker is asked: a loop that turns ends a connection whose other end was ended.
 * What passed while this process itself was not awake in time (a tenant that is throttled, a machine that slept) does not count.
 */
export async function awaitHang({ socket, limitMs, takeBeat, ended }: HangWatchOptions): Promise<'hung' | 'refuses' | 'ended'> {
  const lookMs = limitMs / looksInLimit;
  for (let silentMs = 0; !ended.aborted;) {
    const passedMs = await measure(() => delay(lookMs, undefined, { signal: ended }).catch(() => undefined));
    silentMs = takeBeat() ? 0 : silentAfter(silentMs, passedMs, lookMs);
    if (silentMs < limitMs || ended.aborted) continue;
    const probeMs = Math.min(maxProbeMs, limitMs);
    let answer: ConnectionEnd = 'ended';
    const askedMs = await measure(async () => {
      answer = await endsConnections(socket, AbortSignal.any([ended, AbortSignal.timeout(probeMs)]));
    });
    const found = judge(answer, askedMs <= 2 * probeMs && !takeBeat());
    if (found) return found;
    silentMs = 0;
  }
  return 'ended';
}

/** How long it has been silent, after another look that was due after `lookMs` and came after `passedMs`. */
export function silentAfter(silentMs: number, passedMs: number, lookMs: number): number {
  return passedMs <= 2 * lookMs ? silentMs + passedMs : 0;
}

function judge(answer: ConnectionEnd, wasAwake: boolean): 'hung' | 'refuses' | undefined {
  if (answer === 'ended' || !wasAwake) return undefined;
  return answer === 'silent' ? 'hung' : 'refuses';
}

async function measure(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}
