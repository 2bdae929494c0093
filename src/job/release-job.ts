import { execFileSync } from 'node:child_process';
import { Socket } from 'node:net';
import { errnoOf } from '../base/errors.ts';
import { readBuildOrder } from '../config/build-order.ts';
import { releaseInputFd, releasePaths, type ReleaseJobRequest, type ReleaseJobResult } from '../protocol/release-job.ts';
import { copyBuilt } from './copy-job.ts';
import { diffFolders } from './diff-job.ts';
import { runManifestJob } from './manifest-job.ts';
import { ReleaseFault } from './release-rules.ts';
import { unpackArchive } from './unpack-job.ts';
import { wipeFolder } from './wipe-job.ts';

/** Fills a release's folder, and says what is in it. Runs as the app's user. */
export async function runReleaseJob(request: ReleaseJobRequest): Promise<ReleaseJobResult> {
  try {
    return await run(request);
  } catch (error) {
    if (error instanceof ReleaseFault) return { fault: { message: error.message, fix: error.fix } };
    if (['ENOSPC', 'EDQUOT'].includes(errnoOf(error) ?? ''))
      return { fault: { message: 'the disk is full', fix: 'make room on it, and deploy again' } };
    throw error;
  }
}

async function run(request: ReleaseJobRequest): Promise<ReleaseJobResult> {
  if (request.job === 'unpack-release') {
    const input = new Socket({ fd: releaseInputFd, readable: true, writable: false });
    return describe(request.app, await unpackArchive(input, releasePaths.release, request.caps));
  }
  if (request.job === 'copy-to-staging') return { size: await copyBuilt(releasePaths.release, releasePaths.staging, request.caps) };
  if (request.job === 'copy-from-staging') {
    wipeFolder(releasePaths.release);
    return describe(request.app, await copyBuilt(releasePaths.staging, releasePaths.release, request.caps));
  }
  if (request.job === 'diff-release') return { changes: diffFolders(releasePaths.current, releasePaths.release, request.ignored) };
  for (const folder of request.folders) wipeFolder(folder);
  return {};
}

/** Of a folder that is as it will be. On the disk before anybody is told: one call for all of its file system, not one a file. */
async function describe(app: string, size: NonNullable<ReleaseJobResult['size']>): Promise<ReleaseJobResult> {
  execFileSync('/usr/bin/sync', ['--file-system', releasePaths.release]);
  const build = await readBuildOrder(releasePaths.release);
  return { size, ...(build && { build }), ...(await runManifestJob([app], '/', { [app]: releasePaths.release })) };
}
