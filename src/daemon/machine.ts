import { rmSync } from 'node:fs';
import type { Log } from '../base/log.ts';
import type { StallWatch } from '../base/stall-watch.ts';
import { removeRootDirectory } from '../privileged/directories.ts';
import { closeNetwork, createNetwork, type Network } from '../privileged/networks.ts';
import { startMounter } from '../privileged/mount-namespaces.ts';
import type { WaitingHolder } from '../privileged/namespace-holder.ts';
import { makePipes } from '../privileged/pipes.ts';
import type { Programs } from '../privileged/programs.ts';
import { type Bind, sandboxLib, sandboxNode, sandboxPath } from '../privileged/sandbox-arguments.ts';
import type { UnixUser } from '../privileged/users.ts';
import type { WatchedGroups } from '../privileged/watched-groups.ts';
import type { ServiceManager } from './notify.ts';
import type { Paths } from './paths.ts';
import type { SandboxRegistry } from './sandbox-registry.ts';
import { createSpares, type Spares } from './spares.ts';

/** What every part of the daemon that starts something needs to know of the machine. */
export interface Machine {
  programs: Programs;
  paths: Paths;
  registry: SandboxRegistry;
  /** Undefined where they can't be had and the operator allowed that. */
  groups: WatchedGroups | undefined;
  edgeUser: UnixUser;
  /** Undefined without https. */
  certsUser: UnixUser | undefined;
  /** This Node, and the folder of this build: bound into every sandbox. */
  nodeBinary: string;
  libDir: string;
  log: Log;
  /** What every tenant that wakes needs first. */
  spares: MachineSpares;
  manager: ServiceManager;
  /** What may hold up the daemon belongs to a group. */
  stalls: Pick<StallWatch, 'own'>;
}

export interface MachineSpares {
  networks: Spares<Network>;
  /** For `mountDisk`. */
  mounters: Spares<WaitingHolder>;
  /** FIFOs: their names. */
  pipes: Spares<string>;
}

/** One network, since each is memory of the kernel, and one process; FIFOs for some workers. */
export function createMachineSpares(programs: Programs, paths: Paths): MachineSpares {
  removeRootDirectory(paths.sparePipesDir);
  return {
    networks: createSpares({
      ...{ count: 1, refillAfterMs: 200 },
      make: async () => [await createNetwork(programs)],
      discard: closeNetwork,
    }),
    mounters: createSpares({
      ...{ count: 1, refillAfterMs: 200 },
      make: async () => [startMounter(programs)],
      discard: (mounter) => mounter.discard(),
      isUsable: (mounter) => mounter.isWaiting(),
    }),
    pipes: createSpares({
      ...{ count: 16, refillAfterMs: 200 },
      make: (count) => makePipes(programs, paths.sparePipesDir, count),
      discard: (pipe) => rmSync(pipe, { force: true }),
    }),
  };
}

/** The group of a tenant's own limits; prefixed, so that no tenant's name can meet another group's. */
export function tenantGroup(tenant: string): string {
  return `t-${tenant}`;
}

/** The tenant whose group that is; '' for a group of tenantd's own. */
export function tenantOfGroup(group: string): string {
  return group.startsWith('t-') ? group.slice(2) : '';
}

/** Binds of every sandbox that runs a part of tenantd. */
export function programBinds(machine: Machine): Bind[] {
  return [
    { source: machine.nodeBinary, target: sandboxNode, access: 'read' },
    { source: machine.libDir, target: sandboxLib, access: 'read' },
  ];
}

type Bundle = 'certs' | 'edge' | 'host' | 'job' | 'metrics' | 'resolver' | 'terminal' | 'worker';

/** As scripts/build.ts names them. */
function fileOf(bundle: Bundle): string {
  return bundle === 'host' || bundle === 'worker' ? `${bundle}.cjs` : `${bundle}.js`;
}

/**
 * Runs one of the bundles with settings as its first argument. Without SIGUSR1: it would open Node's inspector on a loopback
 * that the tenant's other apps share.
 */
export function programCommand(bundle: Bundle, settings: unknown, nodeOptions: readonly string[] = []): string[] {
  return [sandboxNode, '--disable-sigusr1', ...nodeOptions, `${sandboxLib}/${fileOf(bundle)}`, JSON.stringify(settings)];
}

export const baseEnvironment = { PATH: sandboxPath, LANG: 'C.UTF-8', TZ: 'UTC', NODE_ENV: 'production' } as const;
