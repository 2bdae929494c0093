import type { AppName, TenantName } from '../base/ids.ts';
import type { HostSettings } from '../protocol/host.ts';
import type { HostedAppState } from './host-handlers.ts';
import type { LogReader } from './log-reader.ts';
import { type Machine, tenantGroup } from './machine.ts';
import { type JobOwner, readManifests } from './manifests.ts';
import type { ActualTenant, Step } from './plan.ts';
import type { TenantContext } from './tenant.ts';
import type { TenantHost } from './tenant-host.ts';
import type { TenantPicture } from './tenant-picture.ts';
import type { TenantResources } from './tenant-resources.ts';
import type { TenantService } from './tenant-service.ts';
import { toWorkerInfo } from './workers.ts';

/** What the steps have done so far; `nextStep` compares it with what is wanted. */
export type StepRecord = Pick<ActualTenant, 'prepared' | 'leftovers' | 'limitsKey' | 'routesKey' | 'configureKey'>;

/** One function a step of the plan: a step without one, or one without a step, does not compile. */
export type Steps = { readonly [Do in Step['do']]: (step: Extract<Step, { do: Do }>) => Promise<void> | void };

export interface StepParts {
  context: TenantContext;
  name: TenantName;
  actual: StepRecord;
  picture: TenantPicture;
  resources: TenantResources;
  host: TenantHost;
  service: TenantService;
  logs: LogReader;
  owner: () => JobOwner;
  appStates: Map<AppName, HostedAppState>;
  /** Whether the limits are in force; if not, they are set again soon. */
  noteLimits: (inForce: boolean) => void;
}

export async function executeStep(steps: Steps, step: Step): Promise<void> {
  // Each function takes exactly the step of its own name.
  await (steps[step.do] as (step: Step) => Promise<void> | void)(step);
}

export function createSteps(parts: StepParts): Steps {
  const { context, name, actual, picture, resources, host, service, appStates } = parts;
  const { machine, edge } = context;

  return {
    async prepare() {
      actual.leftovers = true;
      await resources.prepare(picture.limits());
      await host.open();
      actual.prepared = true;
    },

    'set-limits'() {
      // Where there is no room yet, the steps after this one make some: they replace the workers by smaller ones.
      actual.limitsKey = JSON.stringify(picture.limits());
      parts.noteLimits(resources.setLimits(picture.limits()));
    },

    async 'read-manifests'({ apps }) {
      picture.takeStale(apps);
      try {
        picture.setManifests(await readManifests(machine, parts.owner(), apps));
      } catch (error) {
        // They may have changed all the same: the next try reads them.
        picture.markStale(apps);
        throw error;
      }
    },

    'publish-routes'() {
      actual.routesKey = picture.wanted()?.routesKey ?? '';
      edge.setTenant({ ...picture.routes(), apps: [...picture.apps().keys()].map((app) => service.routeOf(app)) });
    },

    async 'start-host'() {
      const { appsDir } = parts.owner();
      await host.start({ network: resources.network(), appsDir, appsDirId: picture.desired()?.appsDirId ?? '' });
      for (const app of picture.apps().keys()) service.publish(app);
    },

    async 'configure-host'() {
      const connection = host.connection();
      const apps = picture.specs();
      const { maxBytes, keep } = context.logs;
      const settings: HostSettings = { tenant: name, logMaxBytes: maxBytes, logKeep: keep };
      const living = service.workers.all().filter(({ draining }) => !draining);
      await host.request('configure', { settings, apps, workers: living.map(toWorkerInfo) });
      // Another host may have connected meanwhile: it knows nothing yet.
      if (host.connection() !== connection) return;
      actual.configureKey = JSON.stringify(apps);
      for (const app of appStates.keys()) if (!apps.some((spec) => spec.app === app)) appStates.delete(app);
      await parts.logs.resume();
    },

    'withdraw-routes'() {
      edge.removeTenant(name);
      actual.routesKey = '';
    },

    async 'stop-workers'() {
      await Promise.all(service.workers.all().map(({ id }) => service.endWorker(id, 'the tenant is stopped')));
    },

    'stop-host': () => host.stop(),

    async dismantle() {
      await host.close();
      await resources.release();
      appStates.clear();
      Object.assign(actual, { prepared: false, leftovers: false, limitsKey: '', configureKey: '' });
    },
  };
}

/** Who a job of this tenant works for, and on what. */
export function jobOwnerOf({ paths }: Machine, resources: TenantResources, picture: TenantPicture): JobOwner {
  const { tenant } = picture;
  return {
    tenant,
    group: tenantGroup(tenant),
    user: resources.user(),
    appsDir: picture.appsDir() ?? paths.emptyDir,
    logsDir: paths.logsDirOf(tenant),
  };
}
