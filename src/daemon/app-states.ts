import type { AppState } from '../protocol/control.ts';

/** What is seen of an app; of several the first in this order counts. */
export const appSightings = [
  /** Its manifest can't be used, and nothing of it runs. */
  'broken',
  /** The operator stopped it, or suspended its tenant. */
  'stopped',
  /** A release is tried, beside what serves or in the place of nothing. */
  'trying',
  /** It was idle. */
  'asleep',
  /** A request would be answered. */
  'serving',
  /** It failed so often in a row that it is left alone for a while. */
  'left-alone',
  /** It failed, and is started again at a time that is known. */
  'failing',
  /** Nothing serves yet, and nothing is known to be wrong. */
  'beginning',
] as const;
export type AppSighting = (typeof appSightings)[number];

/**
 * What each sighting makes of an app. One that failed stays so while it is tried again, until it serves or is left alone; one that is
 * left alone stays so until it serves, or is stopped or asleep: what comes and goes within a second is nothing to tell.
 */
export const appTransitions: Readonly<Record<AppState, Readonly<Record<AppSighting, AppState>>>> = {
  // Columns as in `appSightings`:
  //               broken    stopped    trying       asleep      serving    left-alone     failing        beginning
  starting: next('failed', 'stopped', 'deploying', 'sleeping', 'running', 'quarantined', 'failed', 'starting'),
  running: next('failed', 'stopped', 'deploying', 'sleeping', 'running', 'quarantined', 'failed', 'starting'),
  sleeping: next('failed', 'stopped', 'deploying', 'sleeping', 'running', 'quarantined', 'failed', 'starting'),
  stopped: next('failed', 'stopped', 'deploying', 'sleeping', 'running', 'quarantined', 'failed', 'starting'),
  deploying: next('failed', 'stopped', 'deploying', 'sleeping', 'running', 'quarantined', 'failed', 'starting'),
  failed: next('failed', 'stopped', 'deploying', 'sleeping', 'running', 'quarantined', 'failed', 'failed'),
  quarantined: next('failed', 'stopped', 'deploying', 'sleeping', 'running', 'quarantined', 'quarantined', 'quarantined'),
};

function next(...states: AppState[]): Record<AppSighting, AppState> {
  return Object.fromEntries(appSightings.map((sighting, at) => [sighting, states[at]])) as Record<AppSighting, AppState>;
}
