import { type AppName, isAppName, type WorkerId } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { createHostHandlers, type HostedAppState, type HostLogLines, type HostRequestsOfTenant } from './host-handlers.ts';
import { createRate } from './rate.ts';
import type { TenantPicture } from './tenant-picture.ts';
import type { TenantService } from './tenant-service.ts';

export interface HostedAppsParts {
  picture: TenantPicture;
  service: () => TenantService;
  startWorker: HostRequestsOfTenant['startWorker'];
  scheduleEnded: HostRequestsOfTenant['scheduleEnded'];
  /** What it is started from may have changed on disk. */
  onManifestsChanged: (apps: readonly AppName[]) => void;
  onLogLines: (event: HostLogLines) => void;
  /** All static apps that the host serves now; told again and again. */
  onStaticServed: (apps: readonly AppName[]) => void;
}

/**
 * What a tenant's host says of its apps.
 *
 * Invariant: of no more apps than there are, whatever it says (Invariant 12).
 */
export interface HostedApps {
  readonly handlers: ReturnType<typeof createHostHandlers>;
  stateOf(app: AppName): HostedAppState | undefined;
  /** By the host itself. */
  isStaticServed(app: AppName): boolean;
  problems(): Problem[];
  /** Of a host that was taken up: it serves these on, whether it is connected yet or not. */
  takeUpStatic(apps: readonly string[]): void;
  /** What the host itself served waits at the edge until another one does. */
  forgetStatic(): void;
  keepOnly(apps: readonly AppName[]): void;
}

const manifestPauseMs = 1_000;
const publishPauseMs = 50;

export function createHostedApps({
  picture,
  service,
  startWorker,
  scheduleEnded,
  onManifestsChanged,
  onLogLines,
  onStaticServed,
}: HostedAppsParts): HostedApps {
  const states = new Map<AppName, HostedAppState>();
  /** Also while another generation of it is on its way. */
  const staticServed = new Set<AppName>();
  /** What the edges were told last. */
  const published = new Map<AppName, HostedAppState['state']>();
  const justPublished = new Set<AppName>();
  const changedSince = new Set<AppName>();
  const changedManifests = new Set<AppName>();
  const manifestRate = createRate({ burst: 5, perSecond: 1, nowMs: Date.now });

  function isStatic(app: AppName): boolean {
    return picture.apps().get(app)?.spec.kind === 'static';
  }

  function hear(state: HostedAppState): void {
    if (!picture.apps().has(state.app)) return;
    states.set(state.app, state);
    const isServed = isStatic(state.app)
      ? state.state === 'running'
      : staticServed.has(state.app) && picture.triedGeneration(state.app) !== undefined;
    staticServed[isServed ? 'add' : 'delete'](state.app);
    publish(state.app);
  }

  /** At once, then no more often than the edges bear from a host that says something else each time. */
  function publish(app: AppName): void {
    const state = states.get(app)?.state;
    if (state === undefined) return;
    if (justPublished.has(app)) return void changedSince.add(app);
    justPublished.add(app);
    setTimeout(() => {
      justPublished.delete(app);
      if (changedSince.delete(app)) publish(app);
    }, publishPauseMs).unref();
    service().publish(app);
    onStaticServed([...staticServed].sort());
    // Apps with workers are announced when one of these is ready.
    if (state === 'running' && published.get(app) !== 'running' && isStatic(app)) service().announce(app);
    published.set(app, state);
  }

  /** Each look costs a sandbox: what changes in between is looked at together. */
  function hearOfManifest(app: AppName): void {
    if (!picture.desired()?.apps.some((folder) => folder.app === app)) return;
    changedManifests.add(app);
    if (changedManifests.size > 1) return;
    const timer = setTimeout(
      () => {
        const apps = [...changedManifests];
        changedManifests.clear();
        onManifestsChanged(apps);
      },
      manifestRate.take() ? 0 : manifestPauseMs,
    );
    timer.unref();
  }

  function forget(app: AppName): void {
    states.delete(app);
    published.delete(app);
    staticServed.delete(app);
  }

  return {
    handlers: createHostHandlers({
      appState: hear,
      startWorker,
      stopWorker: (id: WorkerId, reason, hung) => void service().endWorker(id, reason, hung),
      unlistWorker: (id: WorkerId) => service().unlist(id),
      workerReady: (id) => service().serve(id),
      manifestChanged: hearOfManifest,
      scheduleEnded,
      logLines: onLogLines,
    }),
    stateOf: (app) => states.get(app),
    isStaticServed: (app) => staticServed.has(app),
    problems: () => [...states.values()].flatMap(appProblems),
    takeUpStatic(apps) {
      for (const app of apps) if (isAppName(app)) staticServed.add(app);
    },
    forgetStatic() {
      for (const app of new Set([...[...states.keys()].filter(isStatic), ...staticServed])) {
        forget(app);
        service().publish(app);
      }
    },
    keepOnly(apps) {
      for (const app of [...states.keys(), ...staticServed]) if (!apps.includes(app)) forget(app);
    },
  };
}

function appProblems({ app, state, code, reason }: HostedAppState): Problem[] {
  if ((state !== 'failed' && state !== 'quarantined') || !code) return [];
  return [{ code, message: `${app}: ${reason ?? 'failed'}`, fix: `see what it printed: tenantctl logs`, app }];
}
