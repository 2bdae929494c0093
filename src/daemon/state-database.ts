import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { messageOf, TenantdError } from '../base/errors.ts';

export type StateRow = Record<string, SQLOutputValue>;

export interface StateStatement {
  get(...values: SQLInputValue[]): StateRow | undefined;
  all(...values: SQLInputValue[]): StateRow[];
  run(...values: SQLInputValue[]): { changes: number | bigint };
}

/** The daemon's database: each statement is prepared once, and what fails is TENANTD_E_STATE with what to do. */
export interface StateDatabase {
  exec(sql: string): void;
  prepare(sql: string): StateStatement;
  /** Whether the transaction that was begun is still open: SQLite ends it itself when the disk is full. */
  isInTransaction(): boolean;
  close(): void;
}

/** Of SQLite's primary result codes (sqlite.org/rescode.html). */
const resultCodes = { ioError: 10, corrupt: 11, full: 13, cantOpen: 14, notADatabase: 26 } as const;

export function wrapDatabase(database: DatabaseSync): StateDatabase {
  const statements = new Map<string, StatementSync>();

  function prepared(sql: string): StatementSync {
    const known = statements.get(sql);
    if (known) return known;
    const statement = database.prepare(sql);
    statements.set(sql, statement);
    return statement;
  }

  return {
    exec: (sql) => attempt(() => database.exec(sql)),
    prepare: (sql) => ({
      get: (...values) => attempt(() => prepared(sql).get(...values)),
      all: (...values) => attempt(() => prepared(sql).all(...values)),
      run: (...values) => attempt(() => prepared(sql).run(...values)),
    }),
    isInTransaction: () => database.isTransaction,
    close: () => database.close(),
  };
}

function attempt<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw toStateError(error);
  }
}

export function toStateError(error: unknown): TenantdError {
  if (error instanceof TenantdError) return error;
  const message = `state.db: ${messageOf(error)}`;
  return new TenantdError('TENANTD_E_STATE', message, fixFor(error), { cause: error });
}

function fixFor(error: unknown): string {
  if (isDamage(error)) return 'stop tenantd and start it again: it then goes back to its last copy of the state store';
  if (isWantOfRoom(error)) return 'make room on the disk of stateDir, and try again; nothing was changed';
  return 'look at the disk of stateDir and the log of the daemon; nothing was changed';
}

/** The file is not what SQLite wrote. */
export function isDamage(error: unknown): boolean {
  const code = resultCodeOf(error);
  return code === resultCodes.corrupt || code === resultCodes.notADatabase;
}

/** Also what SQLite says when there is no room for its shared index. */
export function isWantOfRoom(error: unknown): boolean {
  const code = resultCodeOf(error);
  return code === resultCodes.full || code === resultCodes.ioError || code === resultCodes.cantOpen;
}

function resultCodeOf(error: unknown): number | undefined {
  if (error instanceof TenantdError) return resultCodeOf(error.cause);
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  // The upper bytes say more: SQLITE_IOERR_SHMSIZE, say.
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}
