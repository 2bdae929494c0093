import { randomBytes } from 'node:crypto';
import { existsSync, rmSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { replaceFile } from '../privileged/operator-files.ts';

/** Enough for all that a start writes. */
const reserveBytes = 4 << 20;
/** Where there is less, it would be missed. */
const plentyBytes = 16 * reserveBytes;
/** Left to what runs when a start gives back what it took. */
const leftBytes = 256 << 10;

/** Room that is set aside while there is some, so that a daemon starts on a full disk. */
export interface Reserve {
  /** Sets it aside again when there is plenty. */
  keep(): void;
}

/** Before anything is written: on a full disk, the room is free from now on. */
export function releaseReserve(file: string): void {
  if (existsSync(file) && freeBytes(file) < reserveBytes) rmSync(file);
}

/** After the start: what it did not need is set aside for the next one, before others have it. */
export function openReserve(file: string, log: Log): Reserve {
  if (!existsSync(file) && freeBytes(file) < plentyBytes) setAside(Math.min(reserveBytes, freeBytes(file) - leftBytes));

  function setAside(bytes: number): void {
    try {
      // Zeros would take no room on a file system that compresses.
      if (bytes > 0) replaceFile(file, randomBytes(bytes), { uid: 0, gid: 0, mode: 0o600 });
    } catch (error) {
      log.warn({ file, error: messageOf(error) }, 'no room could be set aside');
    }
  }

  return {
    keep() {
      const isWhole = (statSync(file, { throwIfNoEntry: false })?.size ?? 0) >= reserveBytes;
      if (!isWhole && freeBytes(file) >= plentyBytes) setAside(reserveBytes);
    },
  };
}

function freeBytes(file: string): number {
  const { bsize, bavail } = statfsSync(dirname(file));
  return bavail * bsize;
}
