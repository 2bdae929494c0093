import { lstatSync } from 'node:fs';
import { TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import type { TenantConfig } from '../config/tenant-config.ts';
import type { TenantStatus } from '../protocol/control.ts';
import type { TenantCreateResult, TenantListEntry } from '../protocol/tenant-calls.ts';
import type { Fleet } from './fleet.ts';
import { createTurns } from './in-turn.ts';
import type { Paths } from './paths.ts';
import { appState } from './status.ts';
import type { Store } from './store.ts';
import type { Removals } from './tenant-removal.ts';
import type { TemplateWriter } from './template-writer.ts';
import { writeTenantFile, type TenantFolders } from './tenant-folders.ts';
import type { Tenant } from './tenant.ts';

export interface CreateOrder {
  tenant: TenantName;
  domains: readonly string[];
  plan: string | undefined;
  template: string | undefined;
  set: Readonly<Record<string, string>>;
}

/** From `tenant create` to `tenant remove`. */
export interface TenantLife {
  /** Throws when it can't be; nothing is changed. */
  check(asked: Omit<CreateOrder, 'tenant'> & { tenant: string }): Promise<CreateOrder>;
  create(order: CreateOrder, tell: (doing: string) => void): Promise<Omit<TenantCreateResult, 'tookMs'>>;
  suspend(tenant: TenantName, by: string, reason: string | undefined): Promise<void>;
  resume(tenant: TenantName): Promise<void>;
  remove(tenant: TenantName, by: string, now: boolean, tell: (doing: string) => void): Promise<void>;
  /** There is one, or something is left of one. Throws TENANTD_E_NO_SUCH_TENANT. */
  known(name: string): TenantName;
  list(only: string | undefined): TenantListEntry[];
}

export interface TenantLifeParts {
  store: Store;
  paths: Paths;
  fleet: Fleet;
  folders: TenantFolders;
  removals: Removals;
  templates: TemplateWriter | undefined;
  config: () => DaemonConfig;
  findTenant: (name: string) => Tenant | undefined;
  refresh: (tenant: TenantName) => Promise<void>;
  /** Marks have changed. */
  remark: () => Promise<void>;
  statuses: (only?: TenantName) => TenantStatus[];
  nowMs: () => number;
}

/** An app may take its whole start time, or drain time. */
const timeLimitMs = 150_000;

export function createTenantLife(parts: TenantLifeParts): TenantLife {
  const { store, paths, fleet, folders, removals, templates, findTenant, nowMs } = parts;
  const inTurn = createTurns();

  async function check({ tenant, domains, plan, template, set }: Omit<CreateOrder, 'tenant'> & { tenant: string }): Promise<CreateOrder> {
    const order = { tenant: folders.nameFor(tenant), domains: folders.domainsFor(domains), plan, template, set };
    if (plan !== undefined) folders.assertPlan(plan);
    if (template !== undefined) await templatesFor(template).check(template, order);
    else if (Object.keys(set).length > 0)
      throw new TenantdError('TENANTD_E_INVALID_REQUEST', 'settings are for a template, and none is given', 'give --template, or no --set');
    return order;
  }

  function templatesFor(template: string): TemplateWriter {
    if (templates) return templates;
    throw new TenantdError('TENANTD_E_FILE_MISSING', `there is no template ${template}`, 'see templatesDir in tenantd.yaml');
  }

  async function write({ template, ...order }: CreateOrder, folder: string): Promise<void> {
    if (template !== undefined) await templatesFor(template).write(template, order, folder);
    else store.templates.forget(order.tenant);
    if (!isThere(`${folder}/tenant.yaml`)) writeTenantFile(folder, order.domains, order.plan);
  }

  async function create(order: CreateOrder, tell: (doing: string) => void): Promise<Omit<TenantCreateResult, 'tookMs'>> {
    const { tenant } = order;
    tell('its files are written');
    const config = await inTurn(() => folders.make(tenant, (folder) => write(order, folder)));
    tell('its apps are started');
    await parts.refresh(tenant);
    const made = await untilInService(tenant);
    const urls = (made?.picture.desired()?.apps ?? []).flatMap(({ app }) => made?.urlsOf(app) ?? []);
    return { tenant, folder: paths.tenantDirOf(tenant), domains: namesOf(config), plan: config.plan, urls };
  }

  /** Undefined: it has no files that could be served. */
  async function untilInService(name: TenantName): Promise<Tenant | undefined> {
    const tenant = findTenant(name);
    if (!tenant?.picture.desired()) return undefined;
    await tenant.waiters.until(() => isInService(tenant), `${name} is not in service`, timeLimitMs);
    return tenant;
  }

  async function suspend(tenant: TenantName, by: string, reason: string | undefined): Promise<void> {
    assertStays(tenant);
    store.marks.set(tenant, { mark: 'suspended', sinceMs: nowMs(), by, ...(reason !== undefined && { reason }) });
    await parts.remark();
    const suspended = findTenant(tenant);
    await suspended?.waiters.until(
      () => suspended.isDown() || undefined,
      `${tenant} is suspended, and not all of it has ended`,
      timeLimitMs,
    );
  }

  function assertStays(tenant: TenantName): void {
    const mark = store.marks.of(tenant);
    if (mark === undefined || mark.mark === 'suspended') return;
    throw new TenantdError(
      'TENANTD_E_SUSPENDED',
      `${tenant} is being ${mark.mark === 'purging' ? 'deleted' : 'removed'}`,
      'see tenantctl tenant list',
    );
  }

  async function resume(tenant: TenantName): Promise<void> {
    const mark = store.marks.of(tenant)?.mark;
    if (mark === 'purging') throw new TenantdError('TENANTD_E_SUSPENDED', `${tenant} is being deleted`, 'nobody can take that back');
    if (mark === undefined) return;
    store.marks.remove(tenant, mark);
    await parts.remark();
    removals.look();
    if (store.marks.of(tenant) === undefined) await untilInService(tenant);
  }

  async function remove(tenant: TenantName, by: string, now: boolean, tell: (doing: string) => void): Promise<void> {
    if (now) return purge(tenant, by, tell);
    const mark = store.marks.of(tenant)?.mark;
    if (mark === 'purging') throw new TenantdError('TENANTD_E_SUSPENDED', `${tenant} is being deleted`, 'see tenantctl tenant list');
    if (mark !== 'removing')
      store.marks.set(tenant, { mark: 'removing', sinceMs: nowMs(), by, untilMs: nowMs() + parts.config().removal.keepFor });
    await parts.remark();
    const removed = findTenant(tenant);
    await removed?.waiters.until(() => !removed.isRouted() || undefined, `${tenant} is still in service`, timeLimitMs);
    removals.look();
  }

  async function purge(tenant: TenantName, by: string, tell: (doing: string) => void): Promise<void> {
    if (store.marks.of(tenant)?.mark !== 'purging') store.marks.set(tenant, { mark: 'purging', sinceMs: nowMs(), by });
    await parts.remark();
    await removals.purge(tenant, tell);
  }

  function known(name: string): TenantName {
    const tenant = name as TenantName;
    if (store.marks.has(tenant, 'restoring'))
      throw new TenantdError('TENANTD_E_BUSY', `${name} is being restored`, 'wait until that has ended');
    const isKnown =
      store.marks.of(tenant) ?? findTenant(name) ?? fleet.filesOf(tenant) ?? store.knownUid(tenant) ?? store.configTextOf(tenant);
    if (isKnown !== undefined || isThere(paths.tenantDirOf(tenant)) || isThere(paths.tenantStateDirOf(tenant))) return tenant;
    throw new TenantdError('TENANTD_E_NO_SUCH_TENANT', `there is no tenant ${name}`, 'see tenantctl tenant list');
  }

  function toEntry({ name, state, since, plan, domains, mark }: TenantStatus): TenantListEntry {
    const diskBytes = lstatSync(paths.diskImageOf(name as TenantName), { throwIfNoEntry: false })?.blocks ?? 0;
    return { name, state, since, plan, domains: domains.length, diskBytes: diskBytes * blockBytes, ...(mark && { mark }) };
  }

  return {
    ...{ check, create, suspend, resume, remove, known },
    list: (only) => parts.statuses(only as TenantName | undefined).map(toEntry),
  };
}

/** Of stat(2). */
const blockBytes = 512;

/** Throws when it can't be, for now: an app of it fails, say. */
function isInService(tenant: Tenant): true | undefined {
  const { state } = tenant.life();
  if (state === 'failed' || state === 'quarantined') throw notServed(tenant, tenant.problems()[0]);
  if (state !== 'running' && state !== 'sleeping') return undefined;
  const apps = (tenant.picture.desired()?.apps ?? []).map(({ app }) => ({ app, state: appState(tenant, app) }));
  const failed = apps.find((app) => app.state === 'failed' || app.state === 'quarantined');
  if (failed) {
    const told = tenant.stateOf(failed.app)?.reason;
    const problem = tenant.problems().find(({ app }) => app === failed.app);
    throw notServed(tenant, { code: 'TENANTD_E_APP_FAILED', message: `${failed.app}: ${told ?? problem?.message ?? failed.state}` });
  }
  return apps.every((app) => app.state !== 'starting' && app.state !== 'deploying') || undefined;
}

function notServed({ name }: Tenant, problem: Pick<Problem, 'code' | 'message'> | undefined): TenantdError {
  const { code, message } = problem ?? { code: 'TENANTD_E_APP_FAILED', message: 'it does not run' };
  return new TenantdError(code, `${name} is there, but ${message}`, `see tenantctl status ${name}, and tenantctl logs ${name}`);
}

function namesOf({ domains }: TenantConfig): string[] {
  return domains.map(({ name }) => name);
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
