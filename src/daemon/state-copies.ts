import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { backup, DatabaseSync } from 'node:sqlite';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import { checkDatabase } from './state-check.ts';
import type { StateFiles } from './state-recovery.ts';

/**
 * Keeps a whole copy of the database beside it, for the day on which that is damaged.
 *
 * Invariants:
 * - There is one at any moment, and only one that was read back replaces it.
 * - What is replaced is overwritten: a wrapped key that was replaced must not be found on the disk.
 */
export interface StateCopies {
  /** Something changed since the last one. */
  areDue(): boolean;
  /** Makes one if it is due, one after another. Never rejects. */
  make(): Promise<void>;
  problems(): Problem[];
}

export interface StateCopiesOptions {
  database: DatabaseSync;
  files: Pick<StateFiles, 'database' | 'copy'>;
  /** Just before it is made: the copy then knows of when it is. */
  onBegin: () => void;
  log: Log;
}

export function createStateCopies({ database, files, onBegin, log }: StateCopiesOptions): StateCopies {
  const { copy } = files;
  const [unfinished, replaced] = [`${copy}.new`, `${copy}.old`];
  let copiedChanges = -1;
  let failure = '';
  let making = Promise.resolve();

  const changes = (): number => Number(database.prepare('SELECT total_changes() AS changes').get()?.['changes']);

  async function attempt(): Promise<void> {
    try {
      await replaceCopy();
      failure = '';
    } catch (error) {
      if (failure === '') log.error({ file: copy, error: messageOf(error) }, 'no copy of the state store could be made');
      failure = messageOf(error);
      attemptWipe();
    }
  }

  async function replaceCopy(): Promise<void> {
    for (const left of [unfinished, replaced]) wipe(left);
    onBegin();
    const changesThen = changes();
    closeSync(openSync(unfinished, 'wx', 0o600));
    await copyTo(files.database, unfinished);
    assertWhole(unfinished);
    // Two names of the one before, so that there is a copy whenever this is cut.
    if (existsSync(copy)) linkSync(copy, replaced);
    renameSync(unfinished, copy);
    wipe(replaced);
    copiedChanges = changesThen;
  }

  /** On a full disk, what was written is in the way of everybody else. */
  function attemptWipe(): void {
    try {
      wipe(unfinished);
    } catch (error) {
      log.error({ file: unfinished, error: messageOf(error) }, 'an unfinished copy could not be removed');
    }
  }

  const areDue = (): boolean => changes() !== copiedChanges;

  return {
    areDue,
    make() {
      making = making.then(() => (areDue() ? attempt() : undefined));
      return making;
    },
    problems() {
      if (failure === '') return [];
      const message = `no copy of the state store can be made: ${failure}`;
      return [{ code: 'TENANTD_E_STATE', message, fix: 'make room on the disk of stateDir', file: copy }];
    },
  };
}

/** By a connection of its own, all of it in one step beside the daemon's thread: so nobody waits for it, and it is of one moment. */
async function copyTo(file: string, target: string): Promise<void> {
  const source = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  try {
    await backup(source, target, { rate: wholeDatabase });
  } finally {
    source.close();
  }
}

function assertWhole(file: string): void {
  const database = new DatabaseSync(file);
  try {
    // One file, with nothing beside it.
    database.exec('PRAGMA journal_mode = DELETE');
    const fault = checkDatabase(database, statSync(file).size);
    if (fault !== undefined) throw new Error(`it is damaged: ${fault}`);
  } finally {
    database.close();
  }
}

const wholeDatabase = 2 ** 30;
const block = Buffer.alloc(64 << 10);

/** As far as a file system writes in place. */
function wipe(file: string): void {
  for (const beside of [`${file}-wal`, `${file}-shm`, `${file}-journal`]) rmSync(beside, { force: true });
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) return;
  const fd = openSync(file, 'r+');
  try {
    for (let at = 0; at < size;) at += writeSync(fd, block, 0, Math.min(block.length, size - at), at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
    rmSync(file);
  }
}
