import type { StateDatabase } from './state-database.ts';

/** All of it or nothing, also over a crash. Within another one it is a part of that. */
export function inTransaction<Result>(database: StateDatabase, work: () => Result): Result {
  if (database.isInTransaction()) return work();
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // On a full disk SQLite has rolled it back already; the error that is told is the first one.
    if (database.isInTransaction()) database.exec('ROLLBACK');
    throw error;
  }
}
