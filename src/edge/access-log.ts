import { logPath } from '../logs/line.ts';
import { strangersLogsFolder } from '../protocol/edge-paths.ts';
import type { BufferBudget } from './access-buffer.ts';
import type { AccessEntry } from './access-entry.ts';
import { AccessFile } from './access-file.ts';
import { createAccessLine } from './access-line.ts';
import { AccessTenant } from './access-tenant.ts';
import type { FaultLog } from './fault-log.ts';

export interface AccessLogsOptions {
  /** Each tenant has a folder here, and requests of no tenant (an unknown host, a malformed head) have `strangersLogsFolder`. */
  directory: string;
  /** Which of the edge processes this is, from 0: no two of them write one file. */
  place: number;
  places: number;
  /** Of the files of one tenant that are being written, all places together. */
  maxBytes: number;
  /** How many full files are kept beside each of them. */
  keep: number;
  nowMs: () => number;
  reportFault: FaultLog;
  /** Of what waits to be written, in all and for one tenant. */
  maxBufferedBytes?: number;
  maxBufferedBytesPerTenant?: number;
}

/**
 * The access logs of one edge process: `<directory>/<tenant>/access.<place>.log`, full ones with `.1`, `.2`... behind.
 *
 * Invariants:
 * - `record` neither waits nor throws; what the disk does not take in time is dropped, and counted in the log itself.
 * - What waits for the disk is bounded, for a tenant and in all.
 * - Each line is one JSON object, whatever bytes a client sent.
 */
export interface AccessLogs {
  /** Keeps nothing of `entry`. */
  record(entry: AccessEntry): void;
  /** The tenant is served no more: what waits is written, and its file closed. */
  forget(tenant: string): void;
  /** Settles when what was recorded by now is written, or dropped. */
  flush(): Promise<void>;
  /** From now on others write the same files, and decide when one is full. */
  retire(): void;
  /** Flushes, closes all files, and gives up after two seconds. Nothing may be recorded after it. */
  close(): Promise<void>;
}

const flushBytes = 64 << 10;
const flushMs = 1_000;
/** A tenant that had nothing to write for so many flushes gives its file back. */
const idleLooks = 30;
/** With more tenants than that a file is closed after each write: descriptors are for connections. */
const maxOpenFiles = 256;
/** Junk from everywhere must not cost what the requests of customers do. */
const strangersLinesPerFlush = 200;
const faultWindowMs = 60_000;
const closeTimeLimitMs = 2_000;
const leastFileBytes = 64 << 10;

export function createAccessLogs(options: AccessLogsOptions): AccessLogs {
  const { directory, place, places, keep, nowMs } = options;
  const budget: BufferBudget = { usedBytes: 0, maxBytes: options.maxBufferedBytes ?? 16 << 20 };
  // As much again may be in a write that is under way.
  const maxWaitingBytes = Math.max(flushBytes, (options.maxBufferedBytesPerTenant ?? 1 << 20) / 2);
  const maxBytes = Math.max(leastFileBytes, Math.floor(options.maxBytes / places));
  const tenants = new Map<string, AccessTenant>();
  const closing = new Set<Promise<unknown>>();
  const format = createAccessLine();
  const reportFault = createFaultReport(options);
  let strangersLines = 0;
  let retired = false;

  function logOf(tenant: string): AccessTenant {
    const folder = tenant === '' ? strangersLogsFolder : tenant;
    return tenants.get(folder) ?? openLog(folder);
  }

  function openLog(folder: string): AccessTenant {
    const log = new AccessTenant({
      file: new AccessFile({ path: logPath(`${directory}/${folder}`, `access.${place}`), maxBytes, keep, mayRotate: () => !retired }),
      ...{ budget, flushBytes, maxWaitingBytes, nowMs },
      mayKeepOpen: () => tenants.size <= maxOpenFiles,
      reportFault: (fault) => reportFault(folder, fault),
    });
    tenants.set(folder, log);
    return log;
  }

  function look(): void {
    strangersLines = 0;
    for (const [folder, log] of tenants) {
      log.idleLooks = log.hasWork ? 0 : log.idleLooks + 1;
      if (log.hasWork) void log.write();
      else if (log.idleLooks > idleLooks) forget(folder);
    }
  }

  function forget(tenant: string): void {
    const log = tenants.get(tenant);
    tenants.delete(tenant);
    if (!log) return;
    const closed: Promise<unknown> = log.close().finally(() => closing.delete(closed));
    closing.add(closed);
  }

  async function all(act: (log: AccessTenant) => Promise<void>): Promise<void> {
    await Promise.all([...closing, ...[...tenants.values()].map(act)]);
  }

  const timer = setInterval(look, flushMs).unref();
  return {
    record(entry) {
      const log = logOf(entry.tenant);
      if (entry.tenant === '' && ++strangersLines > strangersLinesPerFlush) log.drop();
      else log.add(format(entry, nowMs()));
    },
    forget,
    retire: () => void (retired = true),
    flush: () => all((log) => log.flush()),
    async close() {
      clearInterval(timer);
      const { promise: late, resolve: giveUp } = Promise.withResolvers<void>();
      const limit = setTimeout(giveUp, closeTimeLimitMs);
      await Promise.race([all((log) => log.close()), late]);
      clearTimeout(limit);
    },
  };
}

/** One message a minute: a full disk is one fault, not one of each tenant. */
function createFaultReport({ nowMs, reportFault }: AccessLogsOptions): (folder: string, fault: string) => void {
  let nextMs = -Infinity;
  return (folder, fault) => {
    const now = nowMs();
    if (now < nextMs) return;
    nextMs = now + faultWindowMs;
    const whose = folder === strangersLogsFolder ? 'requests of no tenant' : folder;
    reportFault('warn', `the access log of ${whose} can not be written, entries are dropped and counted: ${fault}`);
  };
}
