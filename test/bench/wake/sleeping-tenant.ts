import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import type { StallWatch } from '../../../src/base/stall-watch.ts';
import { starterPlan } from '../../../src/config/plans.ts';
import { nodeOptionsOf, clampToPlan, toWorkerSettings } from '../../../src/daemon/app-order.ts';
import { createMachineSpares, type Machine, tenantGroup } from '../../../src/daemon/machine.ts';
import { noServiceManager } from '../../../src/daemon/notify.ts';
import { createPaths } from '../../../src/daemon/paths.ts';
import { createSandboxRegistry } from '../../../src/daemon/sandbox-registry.ts';
import type { Store } from '../../../src/daemon/store.ts';
import { createTenantResources } from '../../../src/daemon/tenant-resources.ts';
import { appTwin } from '../../../src/daemon/twin.ts';
import { createWorkers } from '../../../src/daemon/workers.ts';
import { openControlGroups } from '../../../src/privileged/cgroups.ts';
import { watchGroups } from '../../../src/privileged/watched-groups.ts';
import { copyBubblewrap, findPrograms, runProgram } from '../../../src/privileged/programs.ts';
import { createLauncher } from '../../../src/privileged/sandboxes.ts';
import { writeSystemCallFilters } from '../../../src/privileged/seccomp-filter.ts';
import { makeUser } from '../../../src/privileged/users.ts';
import { encodeHandOver } from '../../../src/protocol/hand-over.ts';

export interface Woken {
  /** What was done before its worker's sandbox began, and until that was there. */
  prepareMs: number;
  launchMs: number;
  socket: string;
  /** Of the worker itself. */
  pid: number;
  /** Processor time of all that was in its group, up to now. */
  cpuMs(): number;
  /** Nothing of it is left but its user and its disk image. */
  sleep(): Promise<void>;
}

/** Nobody's: the tenant and the app of this benchmark alone. */
const tenantUid = 64_910;
const appUid = 64_911;
const tenant = 'wake' as TenantName;
const app = 'site' as AppName;
const silent = { debug() {}, info() {}, warn() {}, error() {} } as unknown as Machine['log'];
const noStalls: Pick<StallWatch, 'own'> = { own: () => {} };

/** One tenant with one app, of which nothing is there: as the daemon wakes it, without the daemon. Everything is gone afterwards. */
export async function withSleepingTenant<Result>(
  folder: string,
  files: Readonly<Record<string, string>>,
  use: (wake: () => Promise<Woken>) => Promise<Result>,
): Promise<Result> {
  const machine = makeMachine(folder);
  const name = `tbench-${randomBytes(3).toString('hex')}-${tenant}`;
  await makeUser(machine.programs, name, tenantUid);
  mkdirSync(machine.paths.appDirOf(tenant, app), { recursive: true, mode: 0o755 });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(machine.paths.appDirOf(tenant, app), file), text);
  try {
    return await use(() => wake(machine, name.slice(0, -tenant.length)));
  } finally {
    machine.registry.close();
    for (const spares of Object.values(machine.spares)) spares.close();
    await machine.groups?.removeTenant(tenantGroup(tenant));
    await machine.groups?.removeBase();
    await runProgram('/usr/sbin/userdel', [name]);
  }
}

function makeMachine(folder: string): Machine {
  const programs = findPrograms();
  const paths = createPaths({
    tenantsDir: `${folder}/tenants`,
    stateDir: `${folder}/state`,
    runDir: `${folder}/run`,
    logDir: `${folder}/log`,
  });
  const { tenantsStateDir, programsDir, sandboxesDir, etcDir, scratchDir, gatewaysDir, emptyDir, hostsDir, pipesDir, socketsDir } = paths;
  for (const path of [
    tenantsStateDir,
    programsDir,
    sandboxesDir,
    etcDir,
    scratchDir,
    gatewaysDir,
    emptyDir,
    hostsDir,
    pipesDir,
    socketsDir,
  ])
    mkdirSync(path, { recursive: true, mode: 0o755 });
  mkdirSync(paths.edgeLogsDir, { recursive: true, mode: 0o755 });
  const launcher = createLauncher({
    programs,
    bubblewrap: copyBubblewrap(programs, programsDir),
    directory: sandboxesDir,
    etcDirectory: etcDir,
    scratchDirectory: scratchDir,
    systemCallFilters: writeSystemCallFilters(programsDir, process.arch),
  });
  const groups = watchGroups(openControlGroups(`tenantd-bench-${process.pid}`));
  const registry = createSandboxRegistry({ launcher, groups, directory: sandboxesDir, log: silent, stalls: noStalls });
  const edgeUser = { name: 'nobody', uid: 65_534, gid: 65_534 };
  const libDir = new URL('../../../dist', import.meta.url).pathname;
  const nodeBinary = process.execPath;
  const spares = createMachineSpares(programs, paths);
  return {
    programs,
    paths,
    registry,
    groups,
    edgeUser,
    certsUser: undefined,
    nodeBinary,
    libDir,
    log: silent,
    spares,
    manager: noServiceManager,
    stalls: noStalls,
  };
}

const manifest = {
  kind: 'node',
  entry: 'app.js',
  env: {},
  drainMs: 1_000,
  workers: { min: 1, max: 1 },
} as unknown as Parameters<typeof clampToPlan>[0];

async function wake(machine: Machine, userPrefix: string): Promise<Woken> {
  const store = { uidOf: (_: TenantName, of: string) => (of === '' ? tenantUid : appUid) } as unknown as Store;
  const startedMs = performance.now();
  const resources = createTenantResources({ machine, store, tenant, userPrefix, withNetwork: true, withDisk: true });
  await resources.prepare(starterPlan);
  const preparedMs = performance.now();
  const order = clampToPlan(manifest, starterPlan);
  const workers = createWorkers({ machine, tenant, hostUser: () => resources.user(), onExit: async () => {}, onGone: () => {} });
  const { uid } = resources.ensureApp(app);
  const settings = toWorkerSettings(order);
  if (!settings) throw new Error('not an app with workers');
  const worker = await workers.start({
    ...{ app, generation: 1, drainMs: 1_000, settings, size: { heapMegabytes: order.heapMegabytes, tmpBytes: order.tmpBytes } },
    nodeOptions: nodeOptionsOf(app, order),
    twin: appTwin({ machine, tenant, launch: resources.surroundings() }, { app, uid, order }),
    handOver: encodeHandOver([]),
  });
  return {
    prepareMs: preparedMs - startedMs,
    launchMs: performance.now() - preparedMs,
    socket: machine.paths.socketOf(tenant, worker.socket),
    pid: worker.sandbox.commandPid(),
    cpuMs: () => (machine.groups?.useOf(tenantGroup(tenant))?.cpuSeconds ?? NaN) * 1_000,
    async sleep() {
      await worker.sandbox.stop(0);
      await worker.gone;
      await resources.release();
    },
  };
}
