import { existsSync } from 'node:fs';
import type { Log } from '../base/log.ts';
import { journalSocket, type JournalSender, startJournalSender } from '../privileged/journal-sender.ts';
import type { LogLine } from '../protocol/host.ts';
import { formatJournalEntry, journalPriority } from './journal-entry.ts';
import type { LogReader } from './log-reader.ts';
import type { Machine } from './machine.ts';
import { createRate } from './rate.ts';

/**
 * What apps print, to the system's journal too.
 *
 * Invariants:
 * - No tenant can write a field of its own, nor another's name into one.
 * - A tenant has `linesPerSecond`, all together `linesPerSecondOfAll`; what is more is left out, and an entry says how much.
 */
export interface Journal {
  /** From now on, over restarts of its host. */
  follow(tenant: string, logs: Pick<LogReader, 'follow'>): void;
  close(): void;
}

export interface JournalOptions {
  perl: string;
  log: Log;
  nowMs: () => number;
  /** Default: the system's. */
  socket?: string;
}

const linesPerSecond = 100;
const burstLines = 1_000;
const linesPerSecondOfAll = 2_000;
const burstLinesOfAll = 10_000;
const tellDroppedEveryMs = 10_000;
const startAgainMs = 10_000;

/** Undefined when it is not wanted, or there is none. */
export function openJournal({ journal }: { journal: boolean }, { programs, log }: Pick<Machine, 'programs' | 'log'>): Journal | undefined {
  if (!journal) return undefined;
  if (existsSync(journalSocket)) return createJournal({ perl: programs.perl, log, nowMs: Date.now });
  log.warn({ socket: journalSocket }, 'there is no journal: `logs.journal` is not carried out');
  return undefined;
}

export function createJournal({ perl, log, nowMs, socket }: JournalOptions): Journal {
  const allTogether = createRate({ burst: burstLinesOfAll, perSecond: linesPerSecondOfAll, nowMs });
  const since = new Date(nowMs()).toISOString();
  let sender: JournalSender | undefined;
  let startAgainAtMs = 0;

  function send(entry: Buffer): boolean {
    if (!sender && nowMs() < startAgainAtMs) return false;
    sender ??= startJournalSender(perl, hearEnd, socket);
    return sender.send(entry);
  }

  function hearEnd(why: string): void {
    sender = undefined;
    startAgainAtMs = nowMs() + startAgainMs;
    log.error({ error: why }, 'what sends to the journal ended; it is started again');
  }

  return {
    follow(tenant, logs) {
      const rate = createRate({ burst: burstLines, perSecond: linesPerSecond, nowMs });
      let dropped = 0;
      let toldAtMs = nowMs();

      function pass(line: LogLine): void {
        if (!rate.take() || !allTogether.take() || !send(entryOf(tenant, line))) dropped += 1;
      }

      function tellDropped(): void {
        if (dropped === 0 || nowMs() - toldAtMs < tellDroppedEveryMs) return;
        if (!send(droppedEntry(tenant, dropped))) return;
        dropped = 0;
        toldAtMs = nowMs();
      }

      const onLines = (event: { lines: LogLine[]; dropped: number }): void => {
        event.lines.forEach(pass);
        dropped += event.dropped;
        tellDropped();
      };
      logs
        .follow({ after: {}, since, linesPerSecond, onLines })
        .catch((error: unknown) => log.error({ tenant, error }, 'what a tenant prints does not go to the journal'));
    },
    close: () => sender?.close(),
  };
}

/** The tenant as the daemon knows it; what a host says of the rest passed its schema. */
function entryOf(tenant: string, { time, position, app, worker, line }: LogLine): Buffer {
  return formatJournalEntry({
    message: line,
    priority: journalPriority.info,
    identifier: `${tenant}/${app}`,
    fields: { TENANTD_TENANT: tenant, TENANTD_APP: app, TENANTD_WORKER: worker, TENANTD_TIME: time, TENANTD_POSITION: String(position) },
  });
}

function droppedEntry(tenant: string, dropped: number): Buffer {
  return formatJournalEntry({
    message: `${dropped} lines were left out of the journal; tenantctl logs ${tenant} has them`,
    priority: journalPriority.warning,
    identifier: `${tenant}/-`,
    fields: { TENANTD_TENANT: tenant, TENANTD_DROPPED: String(dropped) },
  });
}
