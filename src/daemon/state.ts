import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import { createAuditAnchor } from './audit-anchor.ts';
import { forgetRetired } from './forget-tenant.ts';
import { createStateCopies } from './state-copies.ts';
import { isWantOfRoom, wrapDatabase } from './state-database.ts';
import { readNotice, recoverState, type StateFiles } from './state-recovery.ts';
import { openReserve } from './state-reserve.ts';
import { openDatabase, stateVersion } from './state-schema.ts';
import { seal } from './state-seal.ts';
import { createStore, naming, type Store, type UidRange } from './store.ts';
import { openUidJournal } from './uid-journal.ts';

/** The state store, and all that keeps it: what was done to get it, its copies, and what is wrong with it. */
export interface State {
  readonly store: Store;
  problems(): Problem[];
  /** Makes a last copy. */
  close(): Promise<void>;
}

export interface StateOptions {
  files: StateFiles;
  uids: UidRange;
  log: Log;
}

const lookEveryMs = 10_000;
const leastBetweenCopiesMs = 60_000;
/** Copying and reading back takes the machine at most this share of the time. */
const copyShare = 0.01;

/**
 * Opens the state store, or what can be had of it. Throws TENANTD_E_STATE with what to do where nothing can, and then what is there
 * is left as it is.
 */
export function openState({ files, uids, log }: StateOptions): State {
  const done = naming(files.database, () => recoverState(files, log));
  const { database, version } = naming(files.database, () => openWithRoomOrWithout(files.database));
  const state = wrapDatabase(database);
  const journal = naming(files.journal, () => openUidJournal(files.journal));
  const store = createStore(state, { ...uids, journal }, createAuditAnchor(files.auditHead));
  const marks = [files.mark, files.runMark];
  const owed = createOwed(log);
  owed.pay(() => forgetRetired(state, journal));
  owed.pay(() => journal.add(store.givenUids()));
  if (done !== undefined) owed.pay(() => noteRecovery(store, done));
  owed.pay(() => store.audit.endLeft());
  owed.pay(() => seal(state, marks, true));
  const copies = createStateCopies({ database, files, log, onBegin: () => seal(state, marks, true) });
  const timer = setInterval(() => void look(), lookEveryMs);
  timer.unref();
  let nextCopyAtMs = 0;
  const reserve = openReserve(files.reserve, log);
  void look();

  async function look(): Promise<void> {
    owed.payAgain();
    reserve.keep();
    const startedAtMs = performance.now();
    if (startedAtMs < nextCopyAtMs || !copies.areDue()) return;
    await copies.make();
    const tookMs = performance.now() - startedAtMs;
    nextCopyAtMs = performance.now() + Math.max(leastBetweenCopiesMs, tookMs / copyShare);
  }

  return {
    store,
    problems: () => [...versionProblems(version, files), ...recoveryProblems(done, files), ...owed.problems(), ...copies.problems()],
    async close() {
      clearInterval(timer);
      await copies.make();
      owed.pay(() => seal(state, marks, false));
      store.close();
    },
  };
}

/** Reading goes on in any case; then nothing can be written until there is room. */
function openWithRoomOrWithout(file: string): ReturnType<typeof openDatabase> {
  try {
    return openDatabase(file);
  } catch (error) {
    if (isWantOfRoom(error)) return openDatabase(file, 'exclusive');
    throw error;
  }
}

/** What has to be written, and is tried again until it is. */
function createOwed(log: Log): { pay(write: () => void): void; payAgain(): void; problems(): Problem[] } {
  const left: (() => void)[] = [];
  let reason = '';

  function pay(write: () => void): void {
    try {
      write();
    } catch (error) {
      reason = messageOf(error);
      log.error({ error: reason }, 'the state store can not be written: this is tried again');
      left.push(write);
    }
  }

  return {
    pay,
    payAgain: () => left.splice(0).forEach(pay),
    problems: () =>
      left.length === 0
        ? []
        : [{ code: 'TENANTD_E_STATE', message: `not all could be written: ${reason}`, fix: 'make room on the disk of stateDir' }],
  };
}

function noteRecovery(store: Store, done: string): void {
  store.skipGenerations();
  const entry = { tenant: '', time: new Date().toISOString(), actor: 'tenantd', action: 'state-restored', outcome: 'done' };
  store.appendAudit({ ...entry, before: 'null', after: JSON.stringify({ done }) });
}

function versionProblems(version: number, { database }: StateFiles): Problem[] {
  if (version <= stateVersion) return [];
  const message = `the state store is of version ${version}, newer than this tenantd knows (${stateVersion}): what that added is kept, and not used`;
  return [{ code: 'TENANTD_E_STATE_NEWER', message, fix: 'start the newer tenantd', file: database }];
}

function recoveryProblems(done: string | undefined, { notice }: StateFiles): Problem[] {
  const message = readNotice(notice) ?? done;
  if (message === undefined) return [];
  return [{ code: 'TENANTD_E_STATE_RESTORED', message, fix: `look at what is missing, then remove ${notice}`, file: notice }];
}
