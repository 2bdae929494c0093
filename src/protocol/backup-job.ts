/** Between the daemon and the jobs that pack and unpack a tenant's files: argv[2] is a request, stdout gets one result, both as JSON. */

/** The packed files go out, or come in, here. */
export const backupStreamFd = 3;
/** The users whose files they are. */
export const backupOwnersFd = 4;

/** A folder whose content is a part of a backup. */
export interface BackupArea {
  /** `data/site`, `releases/site/20261121-133405-x7k2`. */
  name: string;
  /** In the job's sandbox. */
  dir: string;
  /** Whose it is, by number: of what has another owner, which is none of the tenant's, too. */
  owner: number;
  /** Names directly in it that are not of it. */
  without?: readonly string[];
  /** Folders directly in it that are there already. */
  made?: readonly string[];
}

export interface BackupCaps {
  /** Of what files hold. */
  bytes: number;
  /** Files, folders and links. */
  entries: number;
}

export type BackupJobRequest =
  | { job: 'backup-files'; areas: readonly BackupArea[]; owners: number }
  | { job: 'restore-files'; areas: readonly BackupArea[]; owners: number; caps: BackupCaps };

export interface BackupSize {
  entries: number;
  files: number;
  bytes: number;
}

/** The daemon takes it apart by schema. */
export interface BackupJobResult {
  /** Why it can't be unpacked. */
  fault?: { message: string; fix: string };
  size?: BackupSize;
  /** What was not packed, and why: so many, and the first of them. */
  leftOut?: { count: number; shown: string[] };
}

export const mostLeftOutShown = 50;
