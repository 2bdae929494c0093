import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Handler } from '../../../src/protocol/channel.ts';
import { noUsage, type UsageFigures } from '../../../src/protocol/usage-calls.ts';
import { UsageBook } from '../../../src/daemon/usage-book.ts';
import { createEdgeUsage, type EdgeUsageBook } from '../../../src/daemon/usage-edges.ts';
import { openUsageRows } from '../../../src/daemon/usage-rows.ts';
import { edgeUsageCalls } from '../../../src/protocol/edge-usage.ts';
import { createRecordingLog } from '../../unit/daemon/recording-log.ts';

/** What daemons write down of edges' counts, one after another over the same file. */
export interface UsageLedger {
  /** For a daemon that lives from now on; the one before was killed: what it had not written is gone. */
  handlersOf(master: string): Record<string, Handler>;
  kill(): void;
  /** As it is on the disk. */
  written(app?: string): UsageFigures;
}

const writeMs = 150;

export function createUsageLedger(): UsageLedger {
  const folder = mkdtempSync(join(tmpdir(), 'usage-ledger-'));
  const { log } = createRecordingLog();
  const store = { appOf: () => ({ manifest: {}, generationKey: '', generation: 1, release: 'local' }), knownUid: () => 1_000 };
  let living: { edges: EdgeUsageBook; end: () => void } | undefined;

  function begin() {
    const rows = openUsageRows(`${folder}/usage.db`, log);
    const book = new UsageBook({ rows, log, nowMs: Date.now });
    const edges = createEdgeUsage({ book, store, log });
    const timer = setInterval(() => book.write(), writeMs);
    const end = (): void => {
      clearInterval(timer);
      rows.close();
    };
    return { edges, end };
  }

  function kill(): void {
    living?.end();
    living = undefined;
  }

  onTestFinished(() => {
    kill();
    rmSync(folder, { recursive: true });
  });

  return {
    handlersOf: (master) => ({ usage: (params) => (living ??= begin()).edges.take(master, edgeUsageCalls.usage.parse(params)) }),
    kill,
    written(app = 'site') {
      const rows = openUsageRows(`${folder}/usage.db`, log);
      try {
        const all = { from: 0, to: 2 ** 31, by: 'month', byApp: true, limit: 10, offset: 0 } as const;
        return rows.find({ tenant: 'acme', ...all }).find((row) => row.app === app)?.figures ?? noUsage;
      } finally {
        rows.close();
      }
    },
  };
}
