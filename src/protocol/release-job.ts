/** Between the daemon and the jobs that fill and empty releases: argv[2] is a request, stdout gets one result, both as JSON. */

/** Where such a job finds things. */
export const releasePaths = {
  /** The one folder it may write, or, while a release is copied to be built, read. */
  release: '/release',
  /** Where a build works. */
  staging: '/staging',
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
  /** Takes out all that these folders hold. */
  | { job: 'wipe-release'; folders: string[] };

/** The daemon takes it apart by schema. */
export interface ReleaseJobResult {
  /** Why this can be no release. */
  fault?: { message: string; fix: string };
  size?: { bytes: number; files: number };
  build?: { command: string[]; env: Record<string, string> };
  /** As in ManifestJobResult. */
  apps?: Record<string, { manifest?: unknown; problems: unknown[] }>;
}
