import { rmSync } from 'node:fs';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Plan } from '../config/plans.ts';
import { ensureDataDirectory, ensureDirectory, removeRootDirectory } from '../privileged/directories.ts';
import { closeNetwork, createNetwork, type Network, openNetworkOf } from '../privileged/networks.ts';
import type { LaunchOptions } from '../privileged/sandboxes.ts';
import { findUser, makeUser, type UnixUser, userNameOf } from '../privileged/users.ts';
import { type Machine, tenantGroup } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';
import type { Store } from './store.ts';

/** What a tenant needs on the machine before anything of it can run, and what is left of it while it does not. */
export interface TenantResources {
  /** Once prepared, or taken over. */
  readonly user: () => UnixUser;
  /** 0 before it is known. */
  uid(): number;
  /** For launches: the tenant's own, or the machine's where that layer was waived. */
  network(): LaunchOptions['network'];
  /** Also takes, as far as it can be had, the plan's share of the machine. */
  prepare(plan: Plan): Promise<void>;
  /** False while the tenant holds more memory than that. */
  setLimits(plan: Plan): boolean;
  /** The network of a living process, from before the daemon's restart. */
  takeNetworkOf(sandbox: Sandbox): void;
  ensureApp(app: AppName): { uid: number };
  /** The tenant's own user, with data of its own. */
  ensureUser(): UnixUser;
  /** Where its sandboxes are made. */
  surroundings(): Pick<LaunchOptions, 'network' | 'mounts'>;
  /** Everything but the user, its uids, its data and its logs. */
  release(): Promise<void>;
}

export function createTenantResources(options: {
  machine: Machine;
  store: Store;
  tenant: TenantName;
  userPrefix: string;
  withNetwork: boolean;
}): TenantResources {
  const { machine, store, tenant } = options;
  const { paths, groups, edgeUser } = machine;
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

  function makeDirectories({ uid, gid }: UnixUser): void {
    const ownRoot = { uid: 0, gid: 0, mode: 0o755 };
    ensureDirectory(paths.tenantStateDirOf(tenant), { uid: 0, gid, mode: 0o750 });
    ensureDirectory(paths.dataRootOf(tenant), ownRoot);
    ensureDirectory(paths.appsDataDirOf(tenant), ownRoot);
    // For all apps of the tenant, whatever their uid; nobody else can reach it.
    ensureDirectory(paths.sharedDirOf(tenant), { uid: 0, gid: 0, mode: 0o1777 });
    ensureDirectory(paths.logRootOf(tenant), { uid: 0, gid, mode: 0o750 });
    ensureDirectory(paths.logsDirOf(tenant), { uid, gid, mode: 0o700 });
    // Names of root's: the edge's own would not be safe to bind (Invariant 1). `tenant remove`, when it comes, takes a job of the edge's user.
    ensureDirectory(paths.accessLogsDirOf(tenant), { uid: edgeUser.uid, gid: edgeUser.gid, mode: 0o750 });
    ensureDirectory(paths.hostDirOf(tenant), { uid: 0, gid, mode: 0o750 });
    ensureDirectory(paths.socketsDirOf(tenant), ownRoot);
    ensureDirectory(paths.pipesDirOf(tenant), ownRoot);
  }

  return {
    user: knownUser,
    uid: () => user?.uid ?? 0,
    network: networkOf,
    async prepare(plan) {
      const name = userNameOf(options.userPrefix, tenant);
      const uid = store.uidOf(tenant, '', findUser({ name })?.uid);
      user = await makeUser(machine.programs, name, uid);
      makeDirectories(user);
      groups?.setTenant(tenantGroup(tenant), plan);
      if (options.withNetwork) network ??= await createNetwork(machine.programs);
    },
    setLimits: (plan) => groups?.setTenant(tenantGroup(tenant), plan) ?? true,
    takeNetworkOf(sandbox) {
      if (options.withNetwork) network ??= openNetworkOf(sandbox.reaperPid);
    },
    ensureUser() {
      ensureDataDirectory(paths.userDataDirOf(tenant), knownUser());
      return knownUser();
    },
    surroundings: () => ({ network: networkOf() }),
    ensureApp(app) {
      const uid = store.uidOf(tenant, app);
      ensureDataDirectory(paths.dataDirOf(tenant, app), { uid, gid: uid });
      return { uid };
    },
    async release() {
      if (network) closeNetwork(network);
      network = undefined;
      await groups?.removeTenant(tenantGroup(tenant));
      for (const directory of [paths.hostDirOf(tenant), paths.socketsDirOf(tenant), paths.pipesDirOf(tenant)])
        removeRootDirectory(directory);
      if (user) rmSync(`${paths.etcDir}/${user.uid}`, { recursive: true, force: true });
    },
  };
}
