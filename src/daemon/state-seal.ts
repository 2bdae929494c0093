import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { replaceFile } from '../privileged/operator-files.ts';
import type { StateDatabase } from './state-database.ts';

/**
 * How an older state store is known as such: the database carries a seal that changes with every start, copy and end, and files
 * beside it, the marks, name the seal that it had last. One in whose place another was put has a seal that no mark names.
 */
export interface Seal {
  id: string;
  /** That was before it: the daemon may have been killed before the mark followed. */
  previous: string;
  /** ISO 8601, UTC. */
  at: string;
}

export const sealTable = `
  CREATE TABLE seals (tenant TEXT NOT NULL PRIMARY KEY, id TEXT NOT NULL, previous TEXT NOT NULL, at TEXT NOT NULL) STRICT;`;

const markSchema = z.object({
  seal: z.string(),
  /** A daemon has the database open, or had when it ended. */
  open: z.boolean(),
});
export type Mark = z.infer<typeof markSchema>;

/** Undefined: it is of a version that had none. */
export function readSeal(database: Pick<StateDatabase, 'prepare'>): Seal | undefined {
  if (!database.prepare("SELECT 1 AS one FROM sqlite_schema WHERE name = 'seals'").get()) return undefined;
  const row = database.prepare('SELECT id, previous, at FROM seals').get();
  return row && { id: String(row['id']), previous: String(row['previous']), at: String(row['at']) };
}

export function seal(database: StateDatabase, marks: readonly string[], open: boolean): void {
  const next: Seal = { id: randomBytes(8).toString('hex'), previous: readSeal(database)?.id ?? '', at: new Date().toISOString() };
  database.prepare("INSERT OR REPLACE INTO seals (tenant, id, previous, at) VALUES ('', ?, ?, ?)").run(next.id, next.previous, next.at);
  for (const file of marks) writeMark(file, { seal: next.id, open });
}

function writeMark(file: string, mark: Mark): void {
  replaceFile(file, JSON.stringify(mark), { uid: 0, gid: 0, mode: 0o600 });
}

/** Undefined when there is none, or none that can be read: nothing follows from that. */
export function readMark(file: string): Mark | undefined {
  try {
    return markSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

export function fits(seal: Seal | undefined, mark: Mark | undefined): boolean {
  return mark === undefined || mark.seal === seal?.id || mark.seal === seal?.previous;
}
