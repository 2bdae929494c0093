import { rmSync } from 'node:fs';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Plan } from '../config/plans.ts';
import { ensureDataDirectory, ensureDirectory, removeRootDirectory } from '../privileged/directories.ts';
import { closeNetwork, type Network, openNetworkOf } from '../privileged/networks.ts';
import type { LaunchOptions } from '../privileged/sandboxes.ts';
import type { SharedDirectory } from '../privileged/shares.ts';
import { findUser, makeUser, type UnixUser, userNameOf } from '../privileged/users.ts';
import { type Machine, tenantGroup } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';
import type { Store } from './store.ts';
import { createTenantDisk, type TenantDisk } from './tenant-disk.ts';

/** What a tenant needs on the machine before anything of it can run, and what is left of it while it does not. */
export interface TenantResources {
  readonly disk: TenantDisk;
  /** Once prepared, or taken over. */
  readonly user: () => UnixUser;
  /** 0 before it is known. */
  uid(): number;
  /** For launches: the tenant's own, or the machine's where that layer was waived. */
  network(): LaunchOptions['network'];
  /** Also takes, as far as it can be had, the plan's share of the machine. */
  prepare(plan: Plan): Promise<void>;
  /** False while the tenant holds more memory than that. */
  setLimits(plan: Plan): Promise<boolean>;
  /** The network of a living process, from before the daemon's restart. */
  takeNetworkOf(sandbox: Sandbox): void;
  ensureApp(app: AppName): { uid: number };
  /** Where the app calls what other tenants grant it. */
  ensureGateway(app: AppName): void;
  /** The tenant's own user, with data of its own. */
  ensureUser(): UnixUser;
  /** Where its sandboxes are made. */
  surroundings(): Pick<LaunchOptions, 'network' | 'mounts'>;
  /** What all its apps write, for another tenant to read. */
  share(target: string): SharedDirectory | undefined;
  /** Everything but the user, its uids, its data and its logs. */
  release(): Promise<void>;
}

export function createTenantResources(options: {
  machine: Machine;
  store: Store;
  tenant: TenantName;
  userPrefix: string;
  withNetwork: boolean;
  withDisk: boolean;
}): TenantResources {
  const { machine, store, tenant } = options;
  const { paths, groups, edgeUser } = machine;
  const disk = createTenantDisk(options);
  let user: UnixUser | undefined;
  let network: Network | undefined;

  function knownUser(): UnixUser {
    if (!user) throw new Error(`${tenant} has no user yet`);
    return user;
  }

  function networkOf(): LaunchOptions['network'] {
    if (network) return { path: network.path };
    // Never by oversight: a tenant whose network is not made yet has none.
    return options.withNetwork ? 'empty' : 'machine';
  }

  async function makeNetwork(): Promise<void> {
    if (options.withNetwork) network ??= await machine.spares.networks.take();
  }

  function ensureGateway(app: AppName): void {
    ensureDirectory(paths.gatewaysDirOf(tenant), { uid: 0, gid: 0, mode: 0o755 });
    ensureDirectory(paths.gatewayDirOf(tenant, app), { uid: edgeUser.uid, gid: edgeUser.gid, mode: 0o755 });
  }

  function makeDirectories({ uid, gid }: UnixUser): void {
    const ownRoot = { uid: 0, gid: 0, mode: 0o755 };
    ensureDirectory(disk.reach(paths.dataRootOf(tenant)), ownRoot);
    ensureDirectory(disk.reach(paths.appsDataDirOf(tenant)), ownRoot);
    // For all apps of the tenant, whatever their uid; nobody else can reach it.
    ensureDirectory(disk.reach(paths.sharedDirOf(tenant)), { uid: 0, gid: 0, mode: 0o1777 });
    ensureDirectory(disk.reach(paths.logsDirOf(tenant)), { uid, gid, mode: 0o700 });
    // While there is room, too: a shell is for when there is none.
    ensureDataDirectory(disk.reach(paths.userDataDirOf(tenant)), { uid, gid });
    // Names of root's: the edge's own would not be safe to bind (Invariant 1).
    ensureDirectory(paths.accessLogsDirOf(tenant), { uid: edgeUser.uid, gid: edgeUser.gid, mode: 0o750 });
    ensureDirectory(paths.hostDirOf(tenant), { uid: 0, gid, mode: 0o750 });
    ensureDirectory(paths.socketsDirOf(tenant), ownRoot);
    ensureDirectory(paths.pipesDirOf(tenant), ownRoot);
  }

  return {
    disk,
    user: knownUser,
    uid: () => user?.uid ?? store.knownUid(tenant) ?? 0,
    network: networkOf,
    async prepare(plan) {
      const name = userNameOf(options.userPrefix, tenant);
      const present = findUser({ name });
      const uid = store.uidOf(tenant, '', present?.uid);
      ensureDirectory(paths.tenantStateDirOf(tenant), { uid: 0, gid: present?.gid ?? uid, mode: 0o750 });
      groups?.setTenant(tenantGroup(tenant), plan);
      // Side by side, and all to their end: what is made is known, and given back by `release`.
      const makingUser = makeUser(machine.programs, name, uid);
      const made = await Promise.allSettled([makingUser, disk.open(plan, { uid }), makeNetwork()]);
      for (const outcome of made) if (outcome.status === 'rejected') throw outcome.reason;
      user = await makingUser;
      makeDirectories(user);
    },
    async setLimits(plan) {
      await disk.fit(plan);
      return groups?.setTenant(tenantGroup(tenant), plan) ?? true;
    },
    takeNetworkOf(sandbox) {
      disk.noteLiving();
      if (options.withNetwork) network ??= openNetworkOf(sandbox.reaperPid);
    },
    ensureUser() {
      ensureDataDirectory(disk.reach(paths.userDataDirOf(tenant)), knownUser());
      return knownUser();
    },
    surroundings() {
      const mounts = disk.mounts();
      return { network: networkOf(), ...(mounts && { mounts }) };
    },
    share(target) {
      const at = disk.locate(paths.sharedDirOf(tenant));
      return at && { target, ...at };
    },
    ensureGateway,
    ensureApp(app) {
      ensureGateway(app);
      const uid = store.uidOf(tenant, app);
      ensureDataDirectory(disk.reach(paths.dataDirOf(tenant, app)), { uid, gid: uid });
      return { uid };
    },
    async release() {
      if (network) closeNetwork(network);
      network = undefined;
      await groups?.removeTenant(tenantGroup(tenant));
      await disk.close();
      for (const directory of [paths.hostDirOf(tenant), paths.socketsDirOf(tenant), paths.pipesDirOf(tenant)])
        removeRootDirectory(directory);
      if (user) rmSync(`${paths.etcDir}/${user.uid}`, { recursive: true, force: true });
    },
  };
}
