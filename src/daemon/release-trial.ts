import { TenantdError } from '../base/errors.ts';
import type { AppName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { AppManifest } from '../config/app-manifest.ts';
import type { HostedAppState } from './host-handlers.ts';
import type { TenantPicture } from './tenant-picture.ts';
import type { Waiters } from './waiters.ts';
import type { Workers } from './workers.ts';

export interface ReleaseCandidate {
  release: string;
  /** Checked, not clamped. */
  manifest: AppManifest;
  /** Makes it the current one on the disk: at once, and so that it is still when the power goes off. */
  commit: () => void;
}

export interface ReleaseTrials {
  /**
   * Starts workers of a release beside those that serve, and calls `commit` once they are ready; the old ones end then. Rejects with
   * TENANTD_E_APP_FAILED and what the app printed: then, as when this daemon ends before `commit`, nothing has changed.
   */
  run(app: AppName, candidate: ReleaseCandidate): Promise<void>;
  /** A worker of the app became ready: the last that a trial waits for ends it. Before the edge, or the host, is told anything. */
  noteReady(app: AppName): void;
  readonly isTrying: (app: AppName) => boolean;
}

interface TrialParts {
  tenant: string;
  picture: TenantPicture;
  workers: () => Workers;
  waiters: Waiters;
  log: Log;
  stateOf: (app: AppName) => HostedAppState | undefined;
  wake: (app: AppName) => void;
  /** Something else is wanted of the tenant. */
  onChange: (app: AppName) => void;
}

/** Beside the time that it may take until it listens: to wake the tenant, and to launch. */
const slackMs = 30_000;
/** For a host to hear of static files that are the current ones. */
const servedLimitMs = 10_000;

export function createReleaseTrials({ tenant, picture, workers, waiters, log, stateOf, wake, onChange }: TrialParts): ReleaseTrials {
  /** Of those that are tried: how it ended, once it has. */
  const trials = new Map<AppName, { commit: () => void; outcome?: 'done' | Error }>();

  async function run(app: AppName, { commit, ...candidate }: ReleaseCandidate): Promise<void> {
    if (trials.has(app))
      throw new TenantdError('TENANTD_E_BUSY', `a release of ${tenant}/${app} is tried already`, 'wait until that is over');
    const trial: { commit: () => void; outcome?: 'done' | Error } = { commit };
    const generation = picture.tryRelease(app, candidate);
    trials.set(app, trial);
    try {
      // What has no workers of its own, or is not to run, is what it is from the moment that it is current.
      if (candidate.manifest.kind === 'static' || picture.isStopped(app)) settle(app);
      onChange(app);
      await waiters.until(() => look(app, generation), `${tenant}/${app} did not start`, candidate.manifest.startTimeoutMs + slackMs);
      if (candidate.manifest.kind === 'static') await untilServed(app, generation);
    } finally {
      trials.delete(app);
      picture.dropRelease(app);
      onChange(app);
    }
  }

  /** It is the current one by now, whatever comes of it: who asks after the deploy is to get it. */
  async function untilServed(app: AppName, generation: number): Promise<void> {
    const isServed = (): true | undefined => picture.isStopped(app) || stateOf(app)?.generation === generation || undefined;
    await waiters.until(isServed, `${tenant}/${app} is not served`, servedLimitMs).catch(() => {}); // its host is late
  }

  function look(app: AppName, generation: number): true | undefined {
    const outcome = trials.get(app)?.outcome;
    if (outcome instanceof Error) throw outcome;
    if (outcome === 'done') return true;
    const told = stateOf(app);
    if (told?.generation === generation && told.reason !== undefined && (told.failures ?? 0) > 0) throw failureOf(app, told);
    return undefined;
  }

  function failureOf(app: AppName, { code, reason, lastLines = [] }: HostedAppState): TenantdError {
    const printed = lastLines.length === 0 ? '' : `\n${lastLines.map((line) => `  ${line}`).join('\n')}`;
    const said = (reason ?? 'failed').replace(/^the new version /, '').replace(/; the one before it goes on serving$/, '');
    return new TenantdError(code ?? 'TENANTD_E_APP_FAILED', `${tenant}/${app}: ${said}${printed}`, 'mend the app, and deploy it again');
  }

  function settle(app: AppName): void {
    const trial = trials.get(app);
    if (!trial || trial.outcome) return;
    try {
      picture.commitRelease(app, trial.commit);
      if (picture.asleepSince(app) !== undefined) wake(app);
      trial.outcome = 'done';
    } catch (error) {
      trial.outcome = error instanceof Error ? error : new Error(String(error));
      log.error({ tenant, app, error: trial.outcome.message }, 'a release that is ready could not be made the current one');
    }
  }

  return {
    run,
    noteReady(app) {
      const generation = picture.triedGeneration(app);
      if (generation === undefined) return;
      const ready = workers()
        .all()
        .filter((worker) => worker.app === app && worker.generation === generation && worker.ready && !worker.draining);
      if (ready.length >= (picture.apps().get(app)?.spec.workers ?? 1)) settle(app);
    },
    isTrying: (app) => trials.has(app),
  };
}
