import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

/** After it listens, so long that a client's first requests are through. */
const tidyAfterMs = 10_000;

/**
 * Node keeps what V8 made of the app's modules, and reads it at the app's next start: it is written when the process ends, with all that
 * had been run by then. It lies in the app's own data, is written and read by the app's own user alone, and counts as the app's disk.
 * Where it can't be kept (a full disk, no home) the app starts without, and nobody is told. Answers with what is to be called once it listens.
 */
export function keepCompiled(home: string, release: string): () => void {
  const folder = join(home, '.cache', 'tenantd');
  enableCompileCache(join(folder, release));
  return () => void setTimeout(() => void tidy(folder), tidyAfterMs).unref();
}

async function tidy(folder: string): Promise<void> {
  const { tidyCompiled } = await import('./tidy-compiled.ts');
  await tidyCompiled(folder).catch(() => undefined); // As for keeping it.
}
