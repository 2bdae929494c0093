import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { replaceFile } from '../privileged/operator-files.ts';
import type { Paths } from './paths.ts';
import { checkDatabase } from './state-check.ts';
import { isDamage, isWantOfRoom } from './state-database.ts';
import { usableVersionOf } from './state-schema.ts';
import { fits, readMark, readSeal, type Seal } from './state-seal.ts';
import { hasUids } from './uid-journal.ts';

export type StateFiles = Paths['state'];

type Look =
  | { is: 'absent' | 'empty' | 'unknown' }
  | { is: 'damaged'; why: string }
  | { is: 'foreign'; error: unknown }
  | { is: 'good'; seal: Seal | undefined };

/**
 * Before the database is opened: what is there is looked at, and what can't be used is moved aside, never removed, for the last
 * copy. Answers with what was done, in one sentence, if anything was; that is kept in a file until an operator removes it.
 *
 * Invariants:
 * - A store is begun anew only where there never was one, or an operator says so.
 * - Killed at any moment, the next start does what was left to do.
 */
export function recoverState(files: StateFiles, log: Log): string | undefined {
  const hasLog = existsSync(`${files.database}-wal`);
  const found = look(files.database);
  // On a full disk: opening it will tell.
  if (found.is === 'unknown') return undefined;
  const plan = found.is === 'good' ? judgeAge(files, found.seal, hasLog) : replace(files, found);
  if (!plan) return undefined;
  log.error({ file: files.database }, plan.says);
  // Before it is done: this daemon may be killed right after.
  keepNotice(files, plan.says, log);
  plan.carryOut();
  return plan.says;
}

interface Plan {
  /** To an operator, once it is done. */
  says: string;
  carryOut: () => void;
}

function replace(files: StateFiles, found: Exclude<Look, { is: 'good' }>): Plan | undefined {
  const copy = look(files.copy);
  const aside = `${files.damaged}-${stamp()}`;
  const isThere = (statSync(files.database, { throwIfNoEntry: false })?.size ?? 0) > 0;
  const kept = isThere ? `; the file itself is kept as ${aside}` : '';
  if (copy.is === 'good') {
    const of = copy.seal ? ` of ${copy.seal.at}` : '';
    const says = `state.db ${whyOf(found)}: its copy${of} was put in its place, what changed after that is lost${kept}`;
    return { says, carryOut: () => restore(files, aside) };
  }
  if (found.is === 'foreign') throw found.error;
  if (!wasUsed(files) && found.is !== 'damaged') return undefined;
  if (!existsSync(files.beginAnew)) throw lost(files, whyOf(found));
  const says = `state.db ${whyOf(found)}: a new one was begun, as ${files.beginAnew} said, with the uids that were given and nothing else${kept}`;
  return { says, carryOut: () => beginAnew(files, aside) };
}

function whyOf(found: Look): string {
  if (found.is === 'damaged') return `was damaged (${found.why})`;
  if (found.is === 'foreign') return `held something else`;
  return `was ${found.is === 'empty' ? 'empty' : 'gone'}`;
}

/** A file that is good, but not the one that was used last, is used: an operator may have put it there. */
function judgeAge(files: StateFiles, seal: Seal | undefined, hasLog: boolean): Plan | undefined {
  const mark = readMark(files.mark);
  const isKnown = fits(seal, mark) && fits(seal, readMark(files.runMark));
  // SQLite removes its log when the database is closed in order, and then alone.
  const isLogLost = mark?.open === true && !hasLog;
  if (isKnown && !isLogLost) return undefined;
  const what = isKnown ? 'the log of state.db was gone' : 'another state.db than the one that was used last was in its place';
  const of = seal ? `: it is of ${seal.at}` : '';
  const copy = look(files.copy);
  const isNewer = copy.is === 'good' && copy.seal !== undefined && copy.seal.at > (seal?.at ?? '');
  if (!isNewer) return { says: `${what}${of}; what changed after that is lost`, carryOut() {} };
  // The next copies would take its place.
  const aside = `${files.copy}-${stamp()}`;
  const says = `${what}${of}; what changed after that is lost, but a copy of ${copy.seal?.at} is kept as ${aside}`;
  return { says, carryOut: () => renameSync(files.copy, aside) };
}

function restore(files: StateFiles, aside: string): void {
  putAside(files, aside);
  renameSync(files.copy, files.database);
  syncFolder(files.database);
}

function beginAnew(files: StateFiles, aside: string): void {
  putAside(files, aside);
  for (const file of [files.mark, files.runMark, files.beginAnew]) rmSync(file, { force: true });
}

/** First its log: that of another database must never lie beside the one that comes. */
function putAside({ database }: StateFiles, aside: string): void {
  if (existsSync(`${database}-wal`)) renameSync(`${database}-wal`, `${aside}-wal`);
  rmSync(`${database}-shm`, { force: true });
  if (existsSync(database)) renameSync(database, aside);
  syncFolder(database);
}

/** Something was written here once. */
function wasUsed(files: StateFiles): boolean {
  return existsSync(files.mark) || existsSync(files.copy) || hasUids(files.journal);
}

function look(file: string): Look {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) return { is: 'absent' };
  if (stat.size === 0) return { is: 'empty' };
  try {
    return read(file, stat.size);
  } catch (error) {
    if (isDamage(error)) return { is: 'damaged', why: messageOf(error) };
    if (isWantOfRoom(error)) return { is: 'unknown' };
    if (error instanceof TenantdError) throw error;
    return { is: 'foreign', error };
  }
}

function read(file: string, sizeBytes: number): Look {
  const beside = ['-wal', '-shm'].map((end) => `${file}${end}`).filter((name) => !existsSync(name));
  const database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  try {
    // Throws for what is not ours, or not for us: that is no damage.
    const version = usableVersionOf(database, file, sizeBytes);
    // Its first transaction was cut, and with it nothing was told to anybody.
    if (version === 0) return { is: 'empty' };
    const fault = checkDatabase(database, sizeBytes);
    return fault === undefined ? { is: 'good', seal: readSeal(database) } : { is: 'damaged', why: fault };
  } finally {
    database.close();
    // Made by looking at it.
    for (const made of beside) rmSync(made, { force: true });
  }
}

function lost(files: StateFiles, why: string): TenantdError {
  return new TenantdError(
    'TENANTD_E_STATE',
    `the state store ${files.database} ${why}, and there is no copy of it`,
    `put a backup of it in its place; or begin with an empty one, without secrets, releases on record and audit trail: touch ${files.beginAnew}`,
  );
}

/** Kept over restarts, and read again each time: to remove it is to say that one knows. */
function keepNotice({ notice }: StateFiles, text: string, log: Log): void {
  const before = readNotice(notice);
  try {
    replaceFile(notice, before === undefined ? text : `${before}\n${text}`, { uid: 0, gid: 0, mode: 0o600 });
  } catch (error) {
    log.error({ file: notice, error: messageOf(error) }, 'what was done could not be written down');
  }
}

export function readNotice(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').slice(-4_096);
  } catch {
    return undefined; // there is none, or it can't be read, which is told elsewhere
  }
}

function syncFolder(file: string): void {
  const folder = openSync(dirname(file), 'r');
  fsyncSync(folder);
  closeSync(folder);
}

/** In a file's name. */
function stamp(): string {
  return new Date().toISOString().replaceAll(/[:.]/g, '-');
}
