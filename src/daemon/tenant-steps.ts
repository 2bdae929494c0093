import type { AppName, TenantName } from '../base/ids.ts';
import type { Plan } from '../config/plans.ts';
import type { HostSettings } from '../protocol/host.ts';
import type { HostedApps } from './hosted-apps.ts';
import type { LogReader } from './log-reader.ts';
import { type Machine, tenantGroup } from './machine.ts';
import { type JobOwner, readManifests } from './manifests.ts';
import type { ActualTenant, Step, WantedTenant } from './plan.ts';
import type { TenantContext } from './tenant.ts';
import type { Rest } from './rest.ts';
import type { TenantEgress } from './tenant-egress.ts';
import type { TenantHost } from './tenant-host.ts';
import type { TenantPicture } from './tenant-picture.ts';
import type { TenantResources } from './tenant-resources.ts';
import type { TenantService } from './tenant-service.ts';
import { toWorkerInfo } from './workers.ts';

/** What the steps have done so far; `nextStep` compares it with what is wanted. */
export type StepRecord = Pick<ActualTenant, 'prepared' | 'leftovers' | 'limitsKey' | 'egressKey' | 'routesKey' | 'configureKey'>;

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
  hosted: Pick<HostedApps, 'keepOnly'>;
  egress: TenantEgress;
  wanted: () => WantedTenant | undefined;
  rest: Pick<Rest, 'takeWoken'>;
  /** Never rejects: its host tries again. */
  startWoken: (app: AppName) => Promise<void>;
  /** Whether the limits are in force; if not, they are set again soon. */
  noteLimits: (inForce: boolean) => void;
}

const leastLogBytes = 16_384;

export async function executeStep(steps: Steps, step: Step): Promise<void> {
  // Each function takes exactly the step of its own name.
  await (steps[step.do] as (step: Step) => Promise<void> | void)(step);
}

export function createSteps(parts: StepParts): Steps {
  const { context, name, actual, picture, resources, host, service, hosted } = parts;
  const { machine, edge } = context;

  return {
    async prepare() {
      actual.leftovers = true;
      const lent = context.openLent(name);
      await resources.prepare(picture.limits());
      await context.outOfTurn(name, lent);
      await host.open();
      actual.prepared = true;
      context.onDisk();
    },

    async 'set-limits'() {
      const limits = picture.limits();
      // Where there is no room yet, the steps after this one make some: they replace the workers by smaller ones.
      parts.noteLimits(await resources.setLimits(limits));
      actual.limitsKey = JSON.stringify(limits);
    },

    async 'set-egress'() {
      const egressKey = parts.wanted()?.egressKey ?? '';
      actual.egressKey = egressKey;
      await parts.egress.set(resources.network(), egressKey === '' ? [] : picture.egress());
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
      // The edge makes sockets in them.
      for (const app of picture.apps().keys()) resources.ensureGateway(app);
      actual.routesKey = parts.wanted()?.routesKey ?? '';
      edge.setTenant({ ...picture.routes(), apps: [...picture.apps().keys()].map((app) => service.routeOf(app)) });
    },

    async 'start-woken'({ apps }) {
      parts.rest.takeWoken();
      await Promise.all(apps.map((app) => parts.startWoken(app)));
    },

    async 'start-host'() {
      const { appsDir } = parts.owner();
      await host.start({ launch: resources.surroundings(), appsDir, appsDirId: picture.desired()?.appsDirId ?? '' });
      for (const app of picture.apps().keys()) service.publish(app);
    },

    async 'configure-host'() {
      const connection = host.connection();
      const apps = picture.specs();
      const configureKey = picture.configureKey();
      const { maxBytes, keep } = context.logs;
      const logMaxBytes = Math.min(maxBytes, logBytesOf(picture.limits(), apps.length * (keep + 1)));
      const settings: HostSettings = { tenant: name, logMaxBytes, logKeep: keep };
      const living = service.workers.all().filter(({ draining }) => !draining);
      await context.outOfTurn(name, host.request('configure', { settings, apps, workers: living.map(toWorkerInfo) }));
      // Another host may have connected meanwhile: it knows nothing yet.
      if (host.connection() !== connection) return;
      actual.configureKey = configureKey;
      hosted.keepOnly(apps.map(({ app }) => app));
      await parts.logs.resume();
    },

    'withdraw-routes'() {
      edge.removeTenant(name);
      actual.routesKey = '';
    },

    'end-sessions': () => context.sessions.endOf(name),

    async 'stop-workers'() {
      // Each takes as long as its app likes, up to twice its drain time.
      await context.outOfTurn(name, Promise.all(service.workers.all().map(({ id }) => service.endWorker(id, 'the tenant is stopped'))));
    },

    'stop-host': () => context.outOfTurn(name, host.stop()),

    async dismantle() {
      await host.close();
      await context.egress.remove(name);
      await resources.release();
      hosted.keepOnly([]);
      Object.assign(actual, { prepared: false, leftovers: false, limitsKey: '', egressKey: '', configureKey: '' });
    },
  };
}

/** All logs together take at most a tenth of the tenant's disk, which they share with its data. */
function logBytesOf({ diskBytes }: Plan, files: number): number {
  return Math.max(leastLogBytes, Math.floor(diskBytes / 10 / Math.max(1, files)));
}

/** Who a job of this tenant works for, and on what. */
export function jobOwnerOf({ paths }: Machine, resources: TenantResources, picture: TenantPicture): JobOwner {
  const { tenant } = picture;
  const mounts = resources.disk.mounts();
  return {
    tenant,
    group: tenantGroup(tenant),
    user: resources.user(),
    ...(mounts && { mounts }),
    appsDir: picture.appsDir() ?? paths.emptyDir,
    releases: new Map(picture.desired()?.apps.map(({ app, release }) => [app, release])),
    logsDir: paths.logsDirOf(tenant),
  };
}
