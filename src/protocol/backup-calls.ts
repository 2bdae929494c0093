/**
 * A tenant as one stream: `tenant-backup`, `tenant-restore` and `tenant-clone`. Once such a call is answered, its connection carries frames, as
 * sessions' do (terminal.ts). What a backup's `part`, `data` and `partEnd` frames are is what a restore takes, byte for byte.
 */
import { z } from 'zod';
import { name } from './call-values.ts';
import type { ErrorCode } from '../base/error-codes.ts';

const domains = z.array(z.string().min(1).max(1_024)).min(1).max(1_000);
const plan = z.string().min(1).max(256);
/** What secrets are sealed with: 32 bytes as base64. The passphrase that it was made of stays with the caller. */
const secretsKey = z.string().regex(/^[A-Za-z0-9+/]{43}=$/, 'a key has 32 bytes');

export const backupCalls = {
  /** Result: BackupOpened; then frames of `backupFrames`. Refused without a key where there is something to be sealed. */
  'tenant-backup': z.strictObject({ tenant: name, secretsKey: secretsKey.optional() }),
  /** Result: RestoreOpened; then frames of `backupFrames`, both ways. Without `as`: the name that it had. */
  'tenant-restore': z.strictObject({
    as: z.string().min(1).max(1_024).optional(),
    domains: domains.optional(),
    plan: plan.optional(),
    secretsKey: secretsKey.optional(),
  }),
  /** Result: CloneOpened; then frames `step` and `end`. */
  'tenant-clone': z.strictObject({ tenant: name, as: z.string().min(1).max(1_024), domains, plan: plan.optional() }),
};

export const backupFrames = {
  /** BackupPart as JSON: from here on what is in it. */
  part: 1,
  data: 2,
  partEnd: 3,
  /** `tenantctl` to the daemon: all that it has was sent, and is as it was. The payload is the `ticket` that it was given. */
  commit: 4,
  /** `tenantctl` to the daemon: what it has is damaged. What was made of it is removed, and `end` comes. */
  cancel: 5,
  /** The daemon to `tenantctl`, as JSON: BackupStep; BackupEnd, after which nothing comes. */
  step: 33,
  end: 34,
} as const;

/** In this order: what it is; its apps' code; its data. */
export const backupParts = ['state', 'apps', 'data'] as const;
export type BackupPartName = (typeof backupParts)[number];
export interface BackupPart {
  part: BackupPartName;
}

export interface BackupOpened {
  tenant: string;
}

export interface RestoreOpened {
  ticket: string;
}

export interface CloneOpened {
  tenant: string;
}

export interface BackupStep {
  doing: string;
}

export interface PartSize {
  files: number;
  bytes: number;
}

export interface BackupResult {
  tenant: string;
  /** Of its apps' code and of its data. */
  apps: PartSize;
  data: PartSize;
  /** How long nothing could be written to its disk; absent: it has no disk of its own, and what was written meanwhile may be in it by half. */
  pauseMs?: number;
  secrets: number;
  /** What is not in it, and why: so many, and the first of them. */
  leftOut: { count: number; shown: string[] };
}

export interface RestoreResult {
  tenant: string;
  /** That it was a backup, or is a clone, of. */
  from: string;
  domains: string[];
  apps: PartSize;
  data: PartSize;
  secrets: number;
  /** Its state a moment later. */
  state: string;
  /** Of a clone: schedules that do not run by themselves. */
  pausedSchedules?: number;
  leftOut: { count: number; shown: string[] };
}

export type BackupEnd = { result: BackupResult | RestoreResult } | { error: { code: ErrorCode; message: string; fix: string } };
