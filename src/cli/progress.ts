import { formatDuration } from './quantities.ts';
import type { Terminal } from './terminal.ts';

const firstWordMs = 1_000;
const longestPauseMs = 30_000;

/** Says on stderr what `work` is at when it takes long: after 1 s, 2 s, 4 s and so on. `text` is asked each time. */
export async function withProgress<T>({ writeErr }: Pick<Terminal, 'writeErr'>, text: () => string, work: () => Promise<T>): Promise<T> {
  let timer = setTimeout(tell, firstWordMs, firstWordMs);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }

  function tell(waitedMs: number): void {
    writeErr(`tenantctl: ${text()} (${formatDuration(waitedMs)})\n`);
    const pauseMs = Math.min(waitedMs, longestPauseMs);
    timer = setTimeout(tell, pauseMs, waitedMs + pauseMs);
  }
}
