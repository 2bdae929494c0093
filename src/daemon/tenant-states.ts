import type { TenantState } from '../protocol/control.ts';

/** What is seen of a tenant; of several the first in this order counts. */
export const tenantSightings = [
  /** Its folder is gone, or the daemon stops: nothing is wanted of it any more. */
  'unwanted',
  /** An operator took it out of service. */
  'suspended',
  /** All its apps sleep. */
  'asleep',
  /** Its host knows what to run. */
  'served',
  /** Something that it can't do without is not to be had: a layer, its user, its disk. */
  'blocked',
  /** Its host ended again and again, and is started again at a time that is known. */
  'failing',
  /** It is on its way up, and nothing is known to be wrong. */
  'beginning',
] as const;
export type TenantSighting = (typeof tenantSightings)[number];

/**
 * What each sighting makes of a tenant. A host that failed again and again has its tenant in quarantine until it is there for its apps
 * again. `suspended` is the operator's, and goes before all that is seen of what runs.
 */
export const tenantTransitions: Readonly<Record<TenantState, Readonly<Record<TenantSighting, TenantState>>>> = {
  // Columns as in `tenantSightings`:
  //               unwanted    suspended    asleep      served     blocked   failing        beginning
  starting: next('removing', 'suspended', 'sleeping', 'running', 'failed', 'quarantined', 'starting'),
  running: next('removing', 'suspended', 'sleeping', 'running', 'failed', 'quarantined', 'starting'),
  sleeping: next('removing', 'suspended', 'sleeping', 'running', 'failed', 'quarantined', 'starting'),
  failed: next('removing', 'suspended', 'sleeping', 'running', 'failed', 'quarantined', 'failed'),
  quarantined: next('removing', 'suspended', 'sleeping', 'running', 'failed', 'quarantined', 'quarantined'),
  suspended: next('removing', 'suspended', 'sleeping', 'running', 'failed', 'quarantined', 'starting'),
  removing: next('removing', 'suspended', 'sleeping', 'running', 'failed', 'quarantined', 'starting'),
};

function next(...states: TenantState[]): Record<TenantSighting, TenantState> {
  return Object.fromEntries(tenantSightings.map((sighting, at) => [sighting, states[at]])) as Record<TenantSighting, TenantState>;
}
