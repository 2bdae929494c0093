import type { Log } from '../base/log.ts';
import type { StallWatch } from '../base/stall-watch.ts';
import type { ControlGroups } from '../privileged/cgroups.ts';
import type { Programs } from '../privileged/programs.ts';
import { type Bind, sandboxLib, sandboxNode, sandboxPath } from '../privileged/sandbox-arguments.ts';
import type { UnixUser } from '../privileged/users.ts';
import type { Paths } from './paths.ts';
import type { SandboxRegistry } from './sandbox-registry.ts';

/** What every part of the daemon that starts something needs to know of the machine. */
export interface Machine {
  programs: Programs;
  paths: Paths;
  registry: SandboxRegistry;
  /** Undefined where they can't be had and the operator allowed that. */
  groups: ControlGroups | undefined;
  edgeUser: UnixUser;
  /** Undefined without https. */
  certsUser: UnixUser | undefined;
  /** This Node, and the folder of this build: bound into every sandbox. */
  nodeBinary: string;
  libDir: string;
  log: Log;
  /** What may hold up the daemon belongs to a group. */
  stalls: Pick<StallWatch, 'own'>;
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

/**
 * Runs one of the bundles with settings as its first argument. Without SIGUSR1: it would open Node's inspector on a loopback
 * that the tenant's other apps share.
 */
export function programCommand(
  bundle: 'certs' | 'edge' | 'host' | 'job' | 'resolver' | 'terminal' | 'worker',
  settings: unknown,
  nodeOptions: readonly string[] = [],
): string[] {
  return [sandboxNode, '--disable-sigusr1', ...nodeOptions, `${sandboxLib}/${bundle}.js`, JSON.stringify(settings)];
}

export const baseEnvironment = { PATH: sandboxPath, LANG: 'C.UTF-8', TZ: 'UTC', NODE_ENV: 'production' } as const;
