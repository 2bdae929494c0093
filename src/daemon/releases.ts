import type { Duplex } from 'node:stream';
import { messageOf, TenantdError } from '../base/errors.ts';
import { type AppName, isAppName, type TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import { newReleaseId } from '../base/release-ids.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import { assertRootFolder, begunIn, besideOf, makeRootFolder, releaseMountedBy } from '../privileged/release-folders.ts';
import { Upgrade } from '../protocol/channel.ts';
import type { AppState } from '../protocol/control.ts';
import type { DeployOpened, ReleaseStatus, RollbackResult } from '../protocol/release-calls.ts';
import type { FileChanges } from '../protocol/proposal-calls.ts';
import type { DeployEnd } from '../protocol/deploy.ts';
import { z } from 'zod';
import { createAudited } from './audited.ts';
import { type Machine, tenantGroup } from './machine.ts';
import type { Paths } from './paths.ts';
import { jobRole } from './manifests.ts';
import { createDeployClient } from './release-client.ts';
import { type DeployOrder, deployRelease } from './release-deploy.ts';
import { createReleaseJobs, type ReleaseJobs } from './release-jobs.ts';
import { listReleases } from './release-list.ts';
import { currentOf, type ReleasePlace } from './release-place.ts';
import { rollBack } from './release-rollback.ts';
import { compareReleases } from './release-proposals.ts';
import { createReleaseRoom } from './release-room.ts';
import type { ReleaseRow } from './release-rows.ts';
import { createReleaseTurns, deployTurn } from './release-turns.ts';
import { createReleaseWatch, watchActor } from './release-watch.ts';
import { createReleaseShelf, type ReleaseShelf } from './release-shelf.ts';
import { removeStagingImage } from './release-staging.ts';
import type { Store } from './store.ts';
import type { Tenant } from './tenant.ts';

/**
 * Releases of apps: how they come, serve, go back and go.
 *
 * Invariants:
 * - Of one app one thing is done at a time: a deploy, a rollback, or clearing away.
 * - `current` on the disk says what serves; it leads to a whole release at any moment.
 */
export interface Releases {
  /** Answers a call: the connection becomes the deploy's. */
  deploy(request: DeployRequest): Promise<Upgrade>;
  rollback(request: RollbackRequest): Promise<RollbackResult>;
  /** Makes a release that was proposed the current one. */
  promote(request: RollbackRequest & { to: string }): Promise<RollbackResult>;
  /** What it would change. */
  compare(tenant: TenantName, app: AppName, release: string): Promise<FileChanges>;
  /** After a proposal was decided: what was made for it goes, now or at the next deploy. */
  tidy(tenant: Tenant, app: AppName): Promise<void>;
  list(tenant: TenantName, app: AppName): ReleaseStatus[];
  problems(tenant: TenantName): Problem[];
  /** Something is done with the tenant's releases. */
  isBusy(tenant: TenantName): boolean;
  /** Until what this gives is called, no release of the app comes or goes. Throws TENANTD_E_BUSY. */
  hold(app: { tenant: TenantName; app: AppName }, what: string, actor: string): () => void;
  /** One that fails soon after it began to serve is taken back. */
  noteState(tenant: TenantName, app: AppName, state: AppState): void;
  /** Removes what a daemon before left unfinished; jobs of its have ended. */
  takeUp(): Promise<void>;
  close(): Promise<void>;
}

export interface DeployRequest {
  tenant: Tenant;
  /** It need not be there yet. */
  app: string;
  actor: string;
  /** Until what served before has ended. */
  wait: boolean;
  /** See DeployOrder. */
  propose?: (release: string) => string;
}

export interface RollbackRequest {
  tenant: Tenant;
  app: AppName;
  /** Default: what served before the current one. */
  to: string | undefined;
  actor: string;
}

/** What its parts share. */
export interface ReleaseParts {
  machine: Machine;
  paths: Paths;
  store: Store;
  jobs: ReleaseJobs;
  shelf: ReleaseShelf;
  log: Log;
  withDisk: boolean;
  /** Reads the tenant's folder anew, and carries out what changed. */
  refresh: (tenant: TenantName) => Promise<void>;
  /** Before a release is made the current one. Throws TENANTD_E_DISK_FULL. */
  assertFits: (tenant: Tenant, place: ReleasePlace, row: ReleaseRow) => void;
}

interface Options extends Pick<ReleaseParts, 'machine' | 'store' | 'withDisk' | 'refresh'> {
  settings: () => DaemonConfig['releases'];
  tenants: () => Tenant[];
  onTakenBack: (tenant: TenantName, app: AppName, failure: string) => void;
}

const jobRoleShape = z.looseObject({ role: z.literal(jobRole.role) });
const maxMessageCharacters = 16_000;
/** Of apps that a tenant has, or had: four times as many as it can have at once. */
const mostNames = 256;

export function createReleases({ machine, store, withDisk, refresh, settings, tenants, onTakenBack }: Options): Releases {
  const { paths, log } = machine;
  const jobs = createReleaseJobs(machine);
  const shelf = createReleaseShelf({ store, jobs, log });
  const room = createReleaseRoom({ store, paths, placeOf });
  const parts: ReleaseParts = { machine, paths, store, jobs, shelf, log, withDisk, refresh, assertFits: room.assertFits };
  const audited = createAudited(store);
  const turns = createReleaseTurns();
  const watch = createReleaseWatch(parts, turns, {
    watchMs: () => settings().watch,
    async rollBack(tenant, app, failure) {
      await runRollback({ tenant, app, to: undefined, actor: watchActor, failure });
      onTakenBack(tenant.name, app, failure);
    },
  });

  function placeOf(tenant: TenantName, app: AppName, dir: string = paths.appDirOf(tenant, app)): ReleasePlace {
    return {
      ...{ tenant, app, dir },
      // One is given to an app when it needs one first, and never again.
      get uid() {
        return store.uidOf(tenant, app);
      },
    };
  }

  async function openDeploy({ tenant, app, actor, wait, propose }: DeployRequest): Promise<Upgrade> {
    if (!isAppName(app))
      throw new TenantdError('TENANTD_E_BAD_NAME', `${JSON.stringify(app)} is no app name`, 'use at most 32 of a-z, 0-9 and "-"');
    const isThere = tenant.picture.desired()?.apps.some((folder) => folder.app === app) ?? false;
    const appDir = paths.appDirOf(tenant.name, app);
    const beside = besideOf(appDir);
    const place = placeOf(tenant.name, app, isThere ? appDir : beside);
    const leaveTurn = turns.take(place, deployTurn, actor);
    const leave = (): void => {
      room.giveBack(place);
      leaveTurn();
    };
    try {
      const order: DeployOrder = {
        ...{ tenant, place, newDir: isThere ? undefined : appDir, release: newReleaseId(Date.now()), actor, wait, propose },
        ...{ room: await room.forNew(tenant, place), buildTimeLimitMs: settings().buildTimeout },
      };
      makeRootFolder(paths.appsDirOf(tenant.name));
      if (!isThere) assertMayBeNew(tenant.name, app);
      if (isThere) assertRootFolder(appDir);
      else {
        await shelf.removeApp(place);
        makeRootFolder(beside);
      }
      const opened: DeployOpened = { release: order.release };
      return new Upgrade(opened, (stream) => void runDeploy(order, stream).finally(() => endDeploy(order, leave)));
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Each name that is tried has a uid from then on, which is nobody else's again. */
  function assertMayBeNew(tenant: TenantName, app: AppName): void {
    const given = store.givenUids().filter((row) => row.tenant === tenant);
    if (given.length < mostNames || given.some((row) => row.app === app)) return;
    const message = `${tenant} has had ${mostNames} apps, which is the limit`;
    throw new TenantdError('TENANTD_E_TOO_MANY', message, 'deploy to one of the names that it has used');
  }

  /** Never rejects: how it ended is told to whoever deploys, and in the audit trail. */
  async function runDeploy(order: DeployOrder, stream: Duplex): Promise<void> {
    const client = createDeployClient(stream);
    const { tenant, place, newDir } = order;
    const end = (): void => void stream.destroy();
    turns.ending.addEventListener('abort', end);
    const look = () => ({ app: place.app, release: currentOf({ dir: newDir ?? place.dir }), deployed: order.release });
    try {
      const result = await audited(
        { tenant: tenant.name, action: order.propose ? 'propose' : 'app-deploy', actor: order.actor, look },
        () => deployRelease(parts, order, client),
      );
      await prune(tenant, place.app).catch((error: unknown) => {
        // It serves all the same; the next deploy tries again.
        log.warn({ tenant: tenant.name, app: place.app, error: messageOf(error) }, 'old releases could not be removed');
      });
      client.end({ result });
    } catch (error) {
      client.end(toEnd(error));
    } finally {
      watch.look(place);
      turns.ending.removeEventListener('abort', end);
    }
  }

  /** One that failed before its deploy was over could not be taken back until now. */
  function endDeploy({ tenant, place: { app } }: DeployOrder, leave: () => void): void {
    leave();
    if (tenant.picture.apps().has(app)) watch.noteState(tenant, placeOf(tenant.name, app), tenant.lives.of(app).state);
  }

  async function prune(tenant: Tenant, app: AppName): Promise<void> {
    const place = placeOf(tenant.name, app);
    // Workers that end may still want to load something.
    const sandboxes = machine.registry.all().filter(({ group }) => group?.tenant === tenantGroup(tenant.name));
    const inUse = new Set(sandboxes.map(({ reaperPid }) => releaseMountedBy(reaperPid, app)));
    await shelf.prune(place, settings().keep, await room.besideApp(tenant, app), (id) => inUse.has(id));
  }

  async function tidy(tenant: Tenant, app: AppName): Promise<void> {
    const leave = turns.take(placeOf(tenant.name, app), 'clearing away', watchActor);
    await prune(tenant, app).finally(leave);
  }

  async function runRollback({
    tenant,
    app,
    to,
    actor,
    failure,
  }: RollbackRequest & { failure: string | undefined }): Promise<RollbackResult> {
    const place = placeOf(tenant.name, app);
    const leave = turns.take(place, 'a rollback', actor);
    const action = failure === undefined ? 'app-deploy' : 'app-rollback';
    const what = { tenant: tenant.name, action, actor, look: () => ({ app, release: currentOf(place) }) };
    try {
      return await audited(what, () => rollBack(parts, { tenant, place, to, failure }));
    } finally {
      watch.look(place);
      leave();
    }
  }

  async function clearLeft(place: ReleasePlace, hasBegun: boolean): Promise<void> {
    const leave = turns.take(place, 'clearing away', watchActor);
    try {
      removeStagingImage(paths.buildImageOf(place.tenant, place.app));
      await (hasBegun ? shelf.removeApp(place) : shelf.clearLeft(place));
    } finally {
      leave();
    }
  }

  async function takeUp(): Promise<void> {
    // They have been told to end.
    await Promise.all(machine.registry.all().flatMap((sandbox) => (jobRoleShape.safeParse(sandbox.role).success ? [sandbox.exited] : [])));
    for (const { name, picture } of tenants()) {
      const apps = (picture.desired()?.apps ?? []).map(({ app }) => placeOf(name, app));
      const begun = begunIn(paths.appsDirOf(name))
        .filter(isAppName)
        .map((app) => placeOf(name, app, besideOf(paths.appDirOf(name, app))));
      for (const place of apps) watch.look(place);
      for (const place of [...apps, ...begun]) {
        await clearLeft(place, begun.includes(place)).catch((error: unknown) => {
          log.error({ tenant: name, app: place.app, error: messageOf(error) }, 'what was left of deploys could not be removed');
        });
      }
    }
  }

  return {
    deploy: openDeploy,
    rollback: (request) => runRollback({ ...request, failure: `taken back by ${request.actor}` }),
    promote: (request) => runRollback({ ...request, failure: undefined }),
    compare: (tenant, app, release) => compareReleases(parts, placeOf(tenant, app), release),
    tidy,
    list: (tenant, app) => listReleases(store, placeOf(tenant, app)),
    problems: (tenant) => watch.problems(tenant),
    isBusy: (tenant) => turns.isAnyTaken(tenant),
    hold: (app, what, actor) => turns.take(app, what, actor),
    noteState(name, app, state) {
      const tenant = tenants().find((candidate) => candidate.name === name);
      if (tenant) watch.noteState(tenant, placeOf(name, app), state);
    },
    takeUp,
    async close() {
      turns.end();
      await jobs.close();
    },
  };
}

function toEnd(error: unknown): DeployEnd {
  if (error instanceof TenantdError)
    return { error: { code: error.code, message: error.message.slice(0, maxMessageCharacters), fix: error.fix } };
  return { error: { code: 'TENANTD_E_INTERNAL', message: messageOf(error), fix: 'see the log of the daemon' } };
}
