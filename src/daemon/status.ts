import type { AppName, TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import type { AppState, AppStatus, NetworkStatus, TenantStatus, WorkerStatus } from '../protocol/control.ts';
import { localRelease } from '../base/release-ids.ts';
import { type Machine, tenantGroup } from './machine.ts';
import type { Tenant } from './tenant.ts';
import type { Worker } from './workers.ts';

/** One tenant as `status` shows it: from what the daemon started and the kernel says, and from the host only reasons. */
export function tenantStatus(machine: Machine, tenant: Tenant, network: NetworkStatus | undefined): TenantStatus {
  const desired = tenant.picture.desired();
  const use = machine.groups?.useOf(tenantGroup(tenant.name));
  const disk = tenant.resources.disk.use();
  return {
    name: tenant.name,
    uid: tenant.resources.uid(),
    state: tenant.life().state,
    since: new Date(tenant.life().sinceMs).toISOString(),
    plan: desired?.config.plan ?? '',
    domains: (desired?.domains ?? []).map(({ name }) => name),
    problems: tenant.problems(),
    hostPid: tenant.host.pid(),
    memoryBytes: use?.memoryBytes ?? 0,
    cpuSeconds: Math.round((use?.cpuSeconds ?? 0) * 1_000) / 1_000,
    ...(disk && { diskBytes: disk.bytes, diskLimitBytes: disk.bytesLimit, files: disk.files, filesLimit: disk.filesLimit }),
    ...(network && { network }),
    apps: (desired?.apps ?? []).map(({ app }) => appStatus(machine, tenant, app)),
  };
}

/** A tenant of whom nothing good is known: only its problems. */
export function brokenStatus({ name, problems }: { name: TenantName; problems: readonly Problem[] }): TenantStatus {
  return {
    name,
    uid: 0,
    state: 'failed',
    since: new Date().toISOString(),
    plan: '',
    domains: [],
    problems: [...problems],
    hostPid: 0,
    memoryBytes: 0,
    cpuSeconds: 0,
    apps: [],
  };
}

function appStatus(machine: Machine, tenant: Tenant, app: AppName): AppStatus {
  const told = tenant.stateOf(app);
  const known = tenant.picture.apps().get(app);
  const asleepSinceMs = tenant.picture.asleepSince(app);
  const schedules = tenant.schedulesOf(app);
  return {
    name: app,
    kind: known?.spec.kind ?? null,
    state: appState(tenant, app),
    since: new Date(asleepSinceMs ?? tenant.lives.of(app).sinceMs).toISOString(),
    ...(told?.reason !== undefined && { reason: told.reason }),
    ...(told?.lastLines !== undefined && { lastLines: told.lastLines }),
    ...(told?.nextTryAtMs !== undefined && { nextTryAt: new Date(told.nextTryAtMs).toISOString() }),
    release: known?.served.release ?? localRelease,
    urls: tenant.urlsOf(app),
    restarts: told?.restarts ?? 0,
    ...((told?.failures ?? 0) > 0 && { failures: told?.failures ?? 0 }),
    workers: workersOf(tenant, app).map((worker) => workerStatus(machine, tenant, worker)),
    ...(schedules.length > 0 && { schedules }),
  };
}

export function appState(tenant: Tenant, app: AppName): AppState {
  tenant.lives.look();
  return tenant.lives.of(app).state;
}

export function workersOf(tenant: Tenant, app: AppName): Worker[] {
  return tenant.workers.all().filter((worker) => worker.app === app);
}

function workerStatus(machine: Machine, tenant: Tenant, worker: Worker): WorkerStatus {
  const working = worker.ready ? 'running' : 'starting';
  return {
    pid: worker.sandbox.commandPid(),
    state: worker.draining ? 'draining' : working,
    startedAt: new Date(worker.startedAtMs).toISOString(),
    memoryBytes: machine.groups?.useOf(tenantGroup(tenant.name), `w.${worker.id}`)?.memoryBytes ?? 0,
  };
}
