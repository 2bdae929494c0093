/** An app's releases: between `tenantctl` and the daemon. */
import { z } from 'zod';
import { appRef } from './call-values.ts';

export const releaseCalls = {
  /**
   * Result: DeployOpened; from then on the connection carries an archive one way and what becomes of it the other way (deploy.ts). The app
   * need not be there yet. With `wait`, what served before has ended, too, before the end is told.
   */
  'app-deploy': appRef.extend({ wait: z.boolean().optional() }),
  /** Result: RollbackResult, once it serves. Without `to`: to what served before the current one. */
  'app-rollback': appRef.extend({ to: z.string().max(64).optional() }),
  /** Result: ReleasesResult. */
  'app-releases': appRef,
};

export interface DeployOpened {
  /** The id that it will have. */
  release: string;
}

export interface RollbackResult {
  release: string;
  /** That served until now. */
  previous: string;
}

export interface ReleaseStatus {
  /** `local`: the folder that the operator put there. */
  release: string;
  current: boolean;
  /** Where `app rollback` goes. */
  previous: boolean;
  /** Waits to be approved: the id of its proposal. */
  proposal?: string;
  /** Absent for `local`, as all that follows. */
  createdAt?: string;
  createdBy?: string;
  files?: number;
  bytes?: number;
  /** When it last began to serve. */
  switchedAt?: string;
  /** Why it was taken back. */
  failure?: string;
}

export interface ReleasesResult {
  /** The newest first. */
  releases: ReleaseStatus[];
}
