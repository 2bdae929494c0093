import type { AppName } from '../base/ids.ts';
import type { HostState } from './tenant-host.ts';

/** What is wanted of a tenant, each part as a key: equal keys mean that nothing is to be done. */
export interface WantedTenant {
  /** False: all its apps sleep, and nothing of it is to be there but its routes. */
  awake: boolean;
  /** Apps for which somebody waits: one worker of each is started at once, without waiting for the host. */
  woken: readonly AppName[];
  limitsKey: string;
  /** '' where nothing is open. */
  egressKey: string;
  routesKey: string;
  configureKey: string;
  /** Which directory holds its apps: device, inode and birth. A host sees the directory it was started with. */
  appsDirId: string;
  appsWithoutManifest: readonly AppName[];
  /** Their manifest may have changed on disk. */
  staleApps: readonly AppName[];
}

/** What is there. */
export interface ActualTenant {
  /** User, directories, group, network and control socket are made. */
  prepared: boolean;
  /** Something of that may be there: made by this daemon, or left by the one before. */
  leftovers: boolean;
  limitsKey: string;
  egressKey: string;
  routesKey: string;
  configureKey: string;
  host: HostState;
  hostAppsDirId: string;
  workers: number;
  /** Shells and commands of operators in its sandboxes. */
  sessions: number;
}

export type Step =
  | { do: 'prepare' }
  | { do: 'set-limits' }
  | { do: 'set-egress' }
  | { do: 'read-manifests'; apps: readonly AppName[] }
  | { do: 'publish-routes' }
  | { do: 'start-woken'; apps: readonly AppName[] }
  | { do: 'start-host' }
  | { do: 'configure-host' }
  | { do: 'withdraw-routes' }
  | { do: 'end-sessions' }
  | { do: 'stop-workers' }
  | { do: 'stop-host' }
  | { do: 'dismantle' };

/** The next step from what is there to what is wanted (undefined: no such tenant), or undefined when all is done that can be now. */
export function nextStep(wanted: WantedTenant | undefined, actual: ActualTenant): Step | undefined {
  if (!wanted) return nextStepDown(actual);
  return wanted.awake ? nextStepUp(wanted, actual) : nextStepToSleep(wanted, actual);
}

function nextStepUp(wanted: WantedTenant, actual: ActualTenant): Step | undefined {
  if (!actual.prepared) return { do: 'prepare' };
  if (actual.limitsKey !== wanted.limitsKey) return { do: 'set-limits' };
  if (actual.egressKey !== wanted.egressKey) return { do: 'set-egress' };
  // Of one that is new: its host is on its way up while they are read.
  if (wanted.appsWithoutManifest.length > 0 && actual.host === 'absent') return { do: 'start-host' };
  if (wanted.appsWithoutManifest.length > 0) return { do: 'read-manifests', apps: wanted.appsWithoutManifest };
  if (actual.routesKey !== wanted.routesKey) return { do: 'publish-routes' };
  if (wanted.woken.length > 0) return { do: 'start-woken', apps: wanted.woken };
  return nextHostStep(wanted, actual);
}

function nextHostStep(wanted: WantedTenant, actual: ActualTenant): Step | undefined {
  if (actual.host === 'absent') return { do: 'start-host' };
  if (actual.host === 'waiting') return undefined;
  if (actual.hostAppsDirId !== wanted.appsDirId) return { do: 'stop-host' };
  if (actual.host === 'starting') return undefined;
  if (actual.configureKey !== wanted.configureKey) return { do: 'configure-host' };
  // Last: what is stored serves already.
  return wanted.staleApps.length > 0 ? { do: 'read-manifests', apps: wanted.staleApps } : undefined;
}

/** The edge keeps its routes, and holds who comes. */
function nextStepToSleep(wanted: WantedTenant, actual: ActualTenant): Step | undefined {
  if (actual.routesKey !== wanted.routesKey) return { do: 'publish-routes' };
  // It is to know that its workers do not fail.
  if (actual.host === 'connected' && actual.workers > 0 && actual.configureKey !== wanted.configureKey) return { do: 'configure-host' };
  return nextStepDown({ ...actual, routesKey: '' });
}

/** Routes first, so that nothing new arrives; then the workers drain; then the rest goes. */
function nextStepDown(actual: ActualTenant): Step | undefined {
  if (actual.routesKey !== '') return { do: 'withdraw-routes' };
  if (actual.sessions > 0) return { do: 'end-sessions' };
  if (actual.workers > 0) return { do: 'stop-workers' };
  if (actual.host !== 'absent') return { do: 'stop-host' };
  return actual.leftovers ? { do: 'dismantle' } : undefined;
}
