import type { AppName } from '../base/ids.ts';
import type { Daemon } from './daemon.ts';
import type { AppReport } from './report-pool.ts';

/** Tells the daemon of an app's state, when it is another than it was told last. */
export interface StateTeller {
  tell(report: AppReport): void;
  /** The daemon knows of nothing. */
  forget(): void;
}

export function createStateTeller(daemon: Daemon, app: AppName): StateTeller {
  let lastText = '';
  return {
    tell(report) {
      const reason = report.reason?.replaceAll(/\s+/g, ' ').slice(0, 1_000);
      const state = { app, ...report, ...(reason !== undefined && { reason }) };
      const text = JSON.stringify(state);
      if (text === lastText) return;
      lastText = text;
      daemon.tell('app-state', state);
    },
    forget: () => void (lastText = ''),
  };
}
