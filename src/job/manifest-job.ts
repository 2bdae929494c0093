import { join } from 'node:path';
import { maxAppProblems } from '../config/manifest-answer.ts';
import { readManifest } from '../config/manifest.ts';
import { jobPaths, type ManifestJobResult } from '../protocol/job.ts';

/** One app after another: each may hold what makes it slow or large, none may keep the others from being read. */
export async function runManifestJob(
  apps: readonly string[],
  appsDir: string = jobPaths.appsDir,
  folders: Readonly<Record<string, string>> = {},
): Promise<ManifestJobResult> {
  const results: ManifestJobResult['apps'] = {};
  for (const app of apps) results[app] = fit(await readManifest(join(appsDir, folders[app] ?? app), app));
  return { apps: results };
}

/** `readManifest` caps a manifest; this caps what is told of a bad one. */
function fit({ manifest, problems }: Awaited<ReturnType<typeof readManifest>>): ManifestJobResult['apps'][string] {
  return { ...(manifest && { manifest }), problems: problems.slice(0, maxAppProblems) };
}
