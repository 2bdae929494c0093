/** Between the daemon and the jobs that fill and empty releases: argv[2] is a request, stdout gets one result, both as JSON. */

import type { FileChanges } from './proposal-calls.ts';

/** Where such a job finds things. */
export const releasePaths = {
  /** The one folder it may write, or, while a release is copied to be built, read. */
  release: '/release',
  /** Where a build works. */
  staging: '/staging',
  /** What serves, to be compared with. */
  current: '/current',
  /** A build's HOME. */
  home: '/home',
} as const;

/** An archive comes in here. */
export const releaseInputFd = 3;

interface Caps {
  bytes: number;
  /** Files, directories and links. */
  entries: number;
}

export type ReleaseJobRequest =
  | { job: 'unpack-release'; app: string; caps: Caps }
  | { job: 'copy-to-staging'; caps: Caps }
  /** What a build made takes the place of what was unpacked. */
  | { job: 'copy-from-staging'; app: string; caps: Caps }
  /** What a proposed release changes. Of what serves these names at the top are none of its files. */
  | { job: 'diff-release'; ignored: string[] }
  /** Takes out all that these folders hold. */
  | { job: 'wipe-release'; folders: string[] };

/** The daemon takes it apart by schema. */
export interface ReleaseJobResult {
  /** Why this can be no release. */
  fault?: { message: string; fix: string };
  size?: { bytes: number; files: number };
  changes?: FileChanges;
  build?: { command: string[]; env: Record<string, string> };
  /** As in ManifestJobResult. */
  apps?: Record<string, { manifest?: unknown; problems: unknown[] }>;
}
