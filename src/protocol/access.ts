/** What the edges log of requests, as jobs read it from files, the daemon checks it, and `tenantctl logs --access --json` prints it. */
import { z } from 'zod';

const text = z.string().max(16_384);
const count = z.number().min(0);

const accessLine = z.object({
  /** ISO 8601, UTC: when the request was over. */
  time: z.string().max(32),
  client: text,
  method: text,
  host: text,
  /** Without the query. */
  path: text,
  /** 0 when nothing was answered. */
  status: count,
  bytesIn: count,
  bytesOut: count,
  /** All of it; and from when it was sent to the app to the head of the app's response. */
  ms: count,
  appMs: count.exactOptional(),
  requestId: text,
  app: text.exactOptional(),
  release: text.exactOptional(),
  protocol: text,
  tls: text.exactOptional(),
  outcome: text,
});
export type AccessLine = z.infer<typeof accessLine>;

/** Stands where so many entries are missing: they could not be written. */
const droppedEntries = z.object({ time: z.string().max(32), dropped: count });

export const accessRecord = z.union([accessLine, droppedEntries]);
export type AccessRecord = z.infer<typeof accessRecord>;

export interface AccessLogsResult {
  lines: AccessRecord[];
}

export interface AccessLinesEvent {
  lines: AccessRecord[];
  /** Lines left out because they came faster than they are passed on. */
  dropped: number;
}
