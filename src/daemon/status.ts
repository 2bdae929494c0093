import type { AppName, TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import type { AppState, AppStatus, NetworkStatus, TenantState, TenantStatus, WorkerStatus } from '../protocol/control.ts';
import { localRelease } from './app-order.ts';
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
    state: tenantState(tenant),
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
    plan: '',
    domains: [],
    problems: [...problems],
    hostPid: 0,
    memoryBytes: 0,
    cpuSeconds: 0,
    apps: [],
  };
}

function tenantState(tenant: Tenant): TenantState {
  if (!tenant.picture.desired()) return 'removing';
  if (tenant.isConfigured()) return 'running';
  const isBroken = tenant.problems().some(({ code }) => blockingCodes.has(code));
  return isBroken ? 'failed' : 'starting';
}

const blockingCodes = new Set([
  'TENANTD_E_LAYER_MISSING',
  'TENANTD_E_DISK_IMAGE',
  'TENANTD_E_USER',
  'TENANTD_E_SANDBOX',
  'TENANTD_E_HOST_FAILED',
  'TENANTD_E_STATE',
  'TENANTD_E_INTERNAL',
]);

function appStatus(machine: Machine, tenant: Tenant, app: AppName): AppStatus {
  const told = tenant.stateOf(app);
  const known = tenant.picture.apps().get(app);
  return {
    name: app,
    kind: known?.spec.kind ?? null,
    state: appState(tenant, app),
    ...(told?.reason !== undefined && { reason: told.reason }),
    ...(told?.lastLines !== undefined && { lastLines: told.lastLines }),
    ...(told?.nextTryAtMs !== undefined && { nextTryAt: new Date(told.nextTryAtMs).toISOString() }),
    release: localRelease,
    urls: tenant.urlsOf(app),
    restarts: told?.restarts ?? 0,
    workers: workersOf(tenant, app).map((worker) => workerStatus(machine, tenant, worker)),
  };
}

/** Where the host and the daemon differ, what the daemon itself sees counts. */
export function appState(tenant: Tenant, app: AppName): AppState {
  const known = tenant.picture.apps().get(app);
  if (!known) return tenant.picture.problems().some((problem) => problem.app === app) ? 'failed' : 'starting';
  if (known.spec.desired === 'stopped') return 'stopped';
  if (workersOf(tenant, app).some(({ ready, draining }) => ready && !draining)) return 'running';
  const told = tenant.stateOf(app)?.state;
  if (told === 'failed') return 'failed';
  return told === 'running' && known.spec.kind === 'static' ? 'running' : 'starting';
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
