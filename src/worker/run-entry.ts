import { createRequire, Module } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * Runs the app's module as Node runs its main module, so that `require.main === module` and `import.meta.main` hold,
 * and answers what it exports. What it throws ends the process, as it would without the shim.
 */
export function runEntry(entry: string): Promise<unknown> {
  const path = resolve(entry);
  process.argv = [process.execPath, path];
  const require = createRequire(path);
  const file = require.resolve(path);
  runMain(file);
  // Importing a CommonJS module a second time would parse it for its names of exports.
  const loaded = require.cache[file];
  if (loaded?.loaded) return Promise.resolve(loaded.exports);
  // Node has reported by then why its main module could not be evaluated.
  return import(pathToFileURL(file).href).catch(() => undefined);
}

/** Without its argument it runs `process.argv[1]`, which need not be a file's full name. */
function runMain(file: string): void {
  (Module as unknown as { runMain(main: string): void }).runMain(file);
}

export type FetchHandler = (request: Request, context: unknown) => unknown;

/** `export default { fetch() {} }`, `export default function fetch() {}`, and what a CommonJS module makes of the first. */
export function findFetchHandler(exported: unknown): FetchHandler | undefined {
  const main = property(exported, 'default') ?? exported;
  const holder = property(main, 'default') ?? main;
  if (typeof holder === 'function' && holder.name === 'fetch') return holder as FetchHandler;
  const fetch = property(holder, 'fetch');
  return typeof fetch === 'function' ? (request, context) => Reflect.apply(fetch, holder, [request, context]) as unknown : undefined;
}

function property(value: unknown, key: string): unknown {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
  return (value as Record<string, unknown>)[key];
}
