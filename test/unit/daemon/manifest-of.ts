import type { AppManifest } from '../../../src/config/manifest.ts';

/** A manifest as a job gives it: of a small Node app where nothing else is said. */
export function manifestOf(changes: Partial<AppManifest> = {}): AppManifest {
  const start = changes.kind === undefined || changes.kind === 'node' ? { entry: 'server.js' } : {};
  return {
    kind: 'node',
    ...start,
    ...{ workers: { min: 1, max: 1 }, env: {}, drainMs: 30_000, startTimeoutMs: 30_000, compress: true, sandbox: 'default', schedule: [] },
    ...changes,
  };
}
