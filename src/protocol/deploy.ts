/**
 * Of `app-deploy`, once it was answered: from then on its connection carries frames, as sessions' do (terminal.ts: a byte for the type,
 * four for the length, the payload).
 */
import type { ErrorCode } from '../base/error-codes.ts';

/** `tenantctl` to the daemon. */
export const archiveFrames = {
  /** A piece of a tar archive, plain or gzip: passed on unread. */
  data: 1,
  /** That was all of it. A connection that ends before was cut: nothing is deployed. */
  end: 2,
} as const;

/** The daemon to `tenantctl`. */
export const deployFrames = {
  /** DeployStep as JSON. */
  step: 33,
  /** What the build prints, in the tenant's words. */
  output: 34,
  /** DeployEnd as JSON; nothing comes after it, also while the archive is still being sent. */
  end: 35,
} as const;

/** What has been done, or is being done now. */
export type DeployStep =
  | { step: 'unpacked'; files: number; bytes: number }
  | { step: 'building' }
  | { step: 'starting' }
  | { step: 'serving' };

export interface DeployResult {
  release: string;
  files: number;
  bytes: number;
  /** What served before; absent for an app's first. */
  previous?: string;
  /** It was proposed, under this id, and serves when that is approved. */
  proposal?: string;
  /** The app is stopped: it is the current release, and nothing was started. */
  stopped?: true;
}

export type DeployEnd = { result: DeployResult } | { error: { code: ErrorCode; message: string; fix: string } };
