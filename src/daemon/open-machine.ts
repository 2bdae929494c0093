import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import type { Log } from '../base/log.ts';
import { watchStalls } from '../base/watch-stalls.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import { openControlGroups } from '../privileged/cgroups.ts';
import { ensureDirectory } from '../privileged/directories.ts';
import { closeNetwork, createNetwork } from '../privileged/networks.ts';
import { probeDisk } from '../privileged/probe-disk.ts';
import { openFilteredLauncher, probeSandbox } from '../privileged/probe-sandbox.ts';
import { copyBubblewrap, findPrograms } from '../privileged/programs.ts';
import { createLauncher, type LauncherOptions } from '../privileged/sandboxes.ts';
import { makeServiceUser, type UnixUser } from '../privileged/users.ts';
import { watchGroups } from '../privileged/watched-groups.ts';
import { takeDaemonLock } from './daemon-lock.ts';
import { gatewayOf } from './egress-places.ts';
import { type MissingLayer, probeLayer } from './layers.ts';
import { createMachineSpares, type Machine } from './machine.ts';
import type { ServiceManager } from './notify.ts';
import type { Paths } from './paths.ts';
import { createSandboxRegistry } from './sandbox-registry.ts';

export interface OpenedMachine {
  machine: Machine;
  missingLayers: MissingLayer[];
  /** Gives the run directory back to the next daemon. */
  unlock: () => void;
}

export interface MachineOptions {
  config: DaemonConfig;
  paths: Paths;
  nodeBinary: string;
  libDir: string;
  /** A delegated cgroup v2 group to work in, as systemd's unit names it. */
  cgroupBase: string | undefined;
  manager: ServiceManager;
  log: Log;
}

const edgeUserName = 'tenantd-edge';
const certsUserName = 'tenantd-certs';

/** Finds out what this machine offers by trying it, and makes the directories that everything else lies in. */
export async function openMachine(options: MachineOptions): Promise<OpenedMachine> {
  const { config, paths, nodeBinary, libDir, cgroupBase, manager, log } = options;
  const programs = findPrograms();
  const edgeUser = await makeServiceUser(programs, edgeUserName);
  const certsUser = config.https && (await makeServiceUser(programs, certsUserName));
  mkdirSync(paths.runDir, { recursive: true, mode: 0o755 });
  const unlock = takeDaemonLock(paths.pidFile);
  makeDirectories(paths, edgeUser);
  if (certsUser) makeCertsDirectories(paths, certsUser);
  const unfiltered: LauncherOptions = {
    programs,
    bubblewrap: copyBubblewrap(programs, paths.programsDir),
    directory: paths.sandboxesDir,
    etcDirectory: paths.etcDir,
    scratchDirectory: paths.scratchDir,
    nameServer: gatewayOf(config.network.addresses),
  };
  const missingLayers: MissingLayer[] = [];
  const groups = await probeLayer('resources', missingLayers, () =>
    watchGroups(openControlGroups(groupName(config.stateDir), cgroupBase === undefined ? {} : { v2Base: cgroupBase })),
  );
  await probeLayer('disk', missingLayers, () => probeDisk(programs, paths.probeDir));
  await probeLayer('network', missingLayers, async () => closeNetwork(await createNetwork(programs)));
  await probeLayer('root', missingLayers, () => probeSandbox(createLauncher(unfiltered), edgeUser, ['/bin/true']));
  const filtered = await probeLayer('syscalls', missingLayers, () => openFilteredLauncher(unfiltered, paths.programsDir, edgeUser));
  const launcher = filtered ?? createLauncher(unfiltered);
  const stalls = watchStalls((owner, heldUpMs) => log.error({ owner, heldUpMs }, 'what held up the daemon again and again was ended'));
  const registry = createSandboxRegistry({ launcher, groups, directory: paths.sandboxesDir, log, stalls });
  const spares = createMachineSpares(programs, paths);
  return {
    machine: { programs, paths, registry, groups, edgeUser, certsUser, nodeBinary, libDir, log, spares, manager, stalls },
    missingLayers,
    unlock,
  };
}

function makeDirectories(paths: Paths, edgeUser: UnixUser): void {
  const ownRoot = { uid: 0, gid: 0, mode: 0o755 };
  for (const parent of [paths.stateDir, paths.logDir]) mkdirSync(parent, { recursive: true, mode: 0o755 });
  for (const open of [
    paths.tenantsStateDir,
    paths.programsDir,
    paths.etcDir,
    paths.emptyDir,
    paths.scratchDir,
    paths.gatewaysDir,
    paths.accessDir,
  ])
    ensureDirectory(open, ownRoot);
  for (const closed of [paths.controlDir, paths.sandboxesDir, paths.hostsDir, paths.pipesDir])
    ensureDirectory(closed, { ...ownRoot, mode: 0o700 });
  for (const edges of [paths.edgeDir, paths.socketsDir, paths.edgeLogsDir])
    ensureDirectory(edges, { uid: 0, gid: edgeUser.gid, mode: 0o750 });
  ensureDirectory(paths.strangersLogsDir, { uid: edgeUser.uid, gid: edgeUser.gid, mode: 0o750 });
}

function makeCertsDirectories(paths: Paths, { uid, gid }: UnixUser): void {
  ensureDirectory(paths.certsDir, { uid: 0, gid, mode: 0o750 });
  ensureDirectory(paths.certsStateDir, { uid, gid, mode: 0o700 });
}

/** Two daemons over different states keep apart. */
function groupName(stateDir: string): string {
  return `tenantd-${createHash('sha256').update(stateDir).digest('hex').slice(0, 8)}`;
}
