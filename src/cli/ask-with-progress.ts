import type { TenantProgressEvent } from '../protocol/tenant-calls.ts';
import { connectDaemon } from './control-client.ts';
import { printable } from './printable.ts';
import type { Surroundings } from './program.ts';
import { withProgress } from './progress.ts';

export interface ProgressAsk {
  config: string;
  method: string;
  params: object;
  timeoutMs: number;
  /** What is said on stderr until the daemon says what it does. */
  doing: string;
}

/** One question whose answer takes a while: what the daemon is at meanwhile is said on stderr. */
export async function askWithProgress(
  surroundings: Surroundings,
  { config, method, params, timeoutMs, doing }: ProgressAsk,
): Promise<unknown> {
  let now = doing;
  const channel = await connectDaemon(surroundings, config, {
    'tenant-progress'(event) {
      now = `${doing}: ${printable((event as TenantProgressEvent).doing)}`;
    },
  });
  try {
    return await withProgress(
      surroundings.terminal,
      () => now,
      () => channel.request(method, params, timeoutMs),
    );
  } finally {
    channel.close();
  }
}
