import { mountsOf, rootOf } from '../privileged/facts-mounts.ts';
import {
  descriptorsOf,
  environmentNamesOf,
  interfacesOf,
  isSocketOfNetwork,
  type Namespaces,
  namespacesOf,
  type ProcessFacts,
  processFactsOf,
} from '../privileged/facts-process.ts';
import type { Sandbox } from './sandbox-registry.ts';
import type { SandboxPromise } from './sandbox-promise.ts';
import { checkDisk, type TenantDiskPromise } from './verify-disk.ts';
import { compare, type Finding, listOr } from './verify-finding.ts';
import { checkNetwork, checkPlaces, type NetworkPlace } from './verify-places.ts';
import { checkRights } from './verify-rights.ts';
import { checkDescriptors, checkMounts } from './verify-root.ts';

/** What a sandbox is compared with, beside its own promise. */
export interface SandboxSurroundings {
  /** By the store; undefined where it has none. */
  uid: number | undefined;
  withFilter: boolean;
  /** Undefined for what is no tenant's. */
  disk: TenantDiskPromise | undefined;
  machine: Namespaces;
  machineRoot: string | undefined;
  network: Pick<NetworkPlace, 'tenant' | 'allowedInterfaces'> & { sharedWith: (namespace: string) => string[] };
  /** Of all sandboxes of its tenant: they may hand descriptors to one another. */
  mountIds: ReadonlySet<string>;
  isGiven: (path: string) => boolean;
}

/** Everything that is checked of one sandbox alone; empty when it ended meanwhile. */
export function checkSandbox(sandbox: Sandbox, processes: readonly ProcessFacts[], around: SandboxSurroundings): Finding[] {
  const { reaperPid, promise } = sandbox;
  const reaper = processFactsOf(reaperPid);
  const found = namespacesOf(reaperPid);
  if (!reaper || reaper.isZombie || !found) return [];
  if (!promise)
    return [compare('root', 'promise', 'recorded', 'started by a tenantd that recorded none: restart it', `/proc/${reaperPid}`)];
  const mounts = mountsOf(reaperPid);
  const places = { reaperPid, found, machine: around.machine, pidNamespace: sandbox.pidNamespace, root: rootOf(reaperPid) };
  return [
    ...checkRights(
      { uid: around.uid ?? promise.uid, gid: promise.gid, withFilter: around.withFilter, owners: promise.owners },
      reaper,
      processes,
    ),
    ...checkPlaces({ ...places, machineRoot: around.machineRoot }),
    ...checkMounts(reaperPid, promise, mounts, mountsOf(sandbox.monitorPid)),
    ...checkDisk(reaperPid, promise, mounts, around.disk),
    ...checkNetwork({
      ...{ reaperPid, promised: promise.network, found: found.net, machine: around.machine.net, interfaces: interfacesOf(reaperPid) },
      ...{ tenant: around.network.tenant, allowedInterfaces: around.network.allowedInterfaces },
      sharedWith: around.network.sharedWith(found.net),
    }),
    ...checkCommand(sandbox.commandPid(), reaperPid, promise, around),
  ];
}

/** What the process that was started there inherited. */
function checkCommand(pid: number, reaperPid: number, promise: SandboxPromise, around: SandboxSurroundings): Finding[] {
  const descriptors = pid === 0 ? [] : descriptorsOf(pid);
  if (descriptors.length === 0) return [];
  const strange = environmentNamesOf(pid).filter((name) => !promise.environment.includes(name));
  const socket = descriptors.find(({ fd }) => fd === 3)?.target ?? 'none';
  const isOwn = promise.hasOwnSocket ? isSocketOfNetwork(reaperPid, socket) : undefined;
  const ownSocket = isOwn ? 'of its own network' : `${socket}, not of its own network`;
  return [
    checkDescriptors(pid, descriptors, around),
    compare('secrets', 'environment', 'nothing but what was set', listOr(strange, 'nothing but what was set'), `/proc/${pid}/environ`),
    ...(isOwn === undefined ? [] : [compare('network', 'socket', 'of its own network', ownSocket, `/proc/${reaperPid}/net/unix`)]),
  ];
}
