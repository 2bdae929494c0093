import type { AppName, WorkerId } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { createHostHandlers, type HostedAppState, type HostLogLines, type HostRequestsOfTenant } from './host-handlers.ts';
import type { TenantPicture } from './tenant-picture.ts';
import type { TenantService } from './tenant-service.ts';

export interface HostedAppsParts {
  picture: TenantPicture;
  service: () => TenantService;
  startWorker: HostRequestsOfTenant['startWorker'];
  /** What it is started from may have changed on disk. */
  onManifestChanged: (app: AppName) => void;
  onLogLines: (event: HostLogLines) => void;
}

/**
 * What a tenant's host says of its apps.
 *
 * Invariant: of no more apps than there are, whatever it says (Invariant 12).
 */
export interface HostedApps {
  readonly handlers: ReturnType<typeof createHostHandlers>;
  stateOf(app: AppName): HostedAppState | undefined;
  problems(): Problem[];
  /** What the host itself served waits at the edge until another one does. */
  forgetStatic(): void;
  keepOnly(apps: readonly AppName[]): void;
}

export function createHostedApps({ picture, service, startWorker, onManifestChanged, onLogLines }: HostedAppsParts): HostedApps {
  const states = new Map<AppName, HostedAppState>();

  function isStatic(app: AppName): boolean {
    return picture.apps().get(app)?.spec.kind === 'static';
  }

  function hear(state: HostedAppState): void {
    if (!picture.apps().has(state.app)) return;
    const before = states.get(state.app)?.state;
    states.set(state.app, state);
    service().publish(state.app);
    // Apps with workers are announced when one of these is ready.
    if (state.state === 'running' && before !== 'running' && isStatic(state.app)) service().announce(state.app);
  }

  return {
    handlers: createHostHandlers({
      appState: hear,
      startWorker,
      stopWorker: (id: WorkerId, reason) => void service().endWorker(id, reason),
      workerReady: (id) => service().serve(id),
      manifestChanged: onManifestChanged,
      logLines: onLogLines,
    }),
    stateOf: (app) => states.get(app),
    problems: () => [...states.values()].flatMap(appProblems),
    forgetStatic() {
      for (const app of [...states.keys()].filter(isStatic)) {
        states.delete(app);
        service().publish(app);
      }
    },
    keepOnly(apps) {
      for (const app of states.keys()) if (!apps.includes(app)) states.delete(app);
    },
  };
}

function appProblems({ app, state, code, reason }: HostedAppState): Problem[] {
  if (state !== 'failed' || !code) return [];
  return [{ code, message: `${app}: ${reason ?? 'failed'}`, fix: `see what it printed: tenantctl logs`, app }];
}
