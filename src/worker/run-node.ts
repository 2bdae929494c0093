import type { Landing } from './land-listen.ts';
import { type FetchHandler, findFetchHandler, runEntry } from './run-entry.ts';

/** `pending` holds the work that fetch handlers gave to `waitUntil`. */
export async function runNodeApp(entry: string, landing: Landing, pending: Set<Promise<unknown>>): Promise<void> {
  const handler = findFetchHandler(await runEntry(entry));
  if (handler && !landing.server()) await serve(handler, pending);
}

/** Apart, because an app with a server of its own needs nothing of it. */
async function serve(handler: FetchHandler, pending: Set<Promise<unknown>>): Promise<void> {
  const { serveFetch } = await import('./fetch-server.ts');
  serveFetch(handler, pending);
}
