import { chmodSync, lstatSync, opendirSync, rmdirSync, unlinkSync } from 'node:fs';
import { errnoOf } from '../base/errors.ts';

/** Of names at a time: a folder may have millions. */
const batchSize = 1_000;

/**
 * Takes everything out of a folder that is this user's, whatever is in there and however it is closed. Nothing else may run in it
 * meanwhile. Not by whole paths: a tree may be deeper than any path is long.
 */
export function wipeFolder(folder: string): void {
  const start = process.cwd();
  process.chdir(folder);
  try {
    emptyHere();
  } finally {
    process.chdir(start);
  }
}

/** Goes down and up by one name each, so its depth costs no memory but this list. */
function emptyHere(): void {
  const above: string[] = [];
  for (;;) {
    const next = firstFolderAfterUnlinking();
    if (next !== undefined) {
      process.chdir(next);
      above.push(next);
      continue;
    }
    const done = above.pop();
    if (done === undefined) return;
    process.chdir('..');
    rmdirSync(done);
  }
}

/** Takes away what is no folder; answers with one that is not empty, and can be entered. */
function firstFolderAfterUnlinking(): string | undefined {
  for (;;) {
    const names = someNames();
    if (names.length === 0) return undefined;
    for (const name of names) {
      if (!lstatSync(name).isDirectory()) unlinkSync(name);
      else if (!isRemoved(name)) {
        chmodSync(name, 0o700);
        return name;
      }
    }
  }
}

function someNames(): string[] {
  const directory = opendirSync('.', { bufferSize: batchSize });
  try {
    const names: string[] = [];
    for (let entry = directory.readSync(); entry && names.length < batchSize; entry = directory.readSync()) names.push(entry.name);
    return names;
  } finally {
    directory.closeSync();
  }
}

function isRemoved(name: string): boolean {
  try {
    rmdirSync(name);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}
