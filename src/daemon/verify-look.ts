import { fstatSync } from 'node:fs';
import { setImmediate as breathe } from 'node:timers/promises';
import { messageOf } from '../base/errors.ts';
import { isAppName, type TenantName } from '../base/ids.ts';
import { mountsOf, rootOf } from '../privileged/facts-mounts.ts';
import {
  commandNameOf,
  controlGroupLinesOf,
  type Namespaces,
  namespacesOf,
  type ProcessFacts,
  processFactsOf,
} from '../privileged/facts-process.ts';
import { scanProcesses, type SeenProcess } from '../privileged/facts-scan.ts';
import type { Check } from '../protocol/verify.ts';
import type { Egress } from './egress.ts';
import type { LayerProblems } from './layers.ts';
import { type Machine, tenantGroup, tenantOfGroup } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';
import type { Store } from './store.ts';
import type { Tenant } from './tenant.ts';
import { checkEgress } from './verify-egress.ts';
import { compare, type Finding, type Layer, listOr } from './verify-finding.ts';
import { type Owner, ownerOf } from './verify-owner.ts';
import { checkGroups } from './verify-places.ts';
import { checkLimits } from './verify-resources.ts';
import { checkSandbox } from './verify-sandbox.ts';

/** A check, and the sandbox that it is about, if it is about one. */
export interface Found {
  check: Check;
  sandbox: Sandbox | undefined;
}

export interface LookParts {
  machine: Machine;
  store: Store;
  layers: LayerProblems;
  tenants: () => Tenant[];
  egress: Pick<Egress, 'drift' | 'isThere' | 'mend'>;
}

/** A sandbox that lives now, with whose it is and the processes in it but its pid 1. */
interface Living {
  sandbox: Sandbox;
  owner: Owner;
  found: Namespaces;
  pids: number[];
}

/** What everything of one look is compared with. */
interface Scene {
  seen: SeenProcess[];
  living: Living[];
  machine: Namespaces;
  machineRoot: string | undefined;
  /** Of all sandboxes of a tenant. */
  mountIdsOf: (tenant: TenantName | '') => ReadonlySet<string>;
}

const processesAtOnce = 64;
/** The tenant's end of its way out. */
const linkInside = 'eth0';

/** Reads everything that is promised back from the kernel, for tenants that `isWanted` ('' stands for tenantd's own parts). */
export async function lookAround(parts: LookParts, isWanted: (tenant: TenantName | '') => boolean): Promise<Found[]> {
  const scene = await setScene(parts);
  const found: Found[] = [];
  for (const living of scene.living.filter(({ owner }) => isWanted(owner.tenant))) {
    await breathe();
    const findings = await lookAtSandbox(parts, scene, living);
    found.push(...findings.map((finding) => toFound(finding, living.owner.tenant, living)));
  }
  const wanted = parts.tenants().filter(({ name }) => isWanted(name));
  const egressDrift = await readEgressDrift(parts, wanted);
  for (const tenant of wanted) {
    await breathe();
    const egress = checkEgress(tenant.picture.desired()?.config.egress ?? [], egressDrift.get(tenant.name));
    const findings = [...lookAtTenant(parts, scene, tenant, egress), ...parts.layers.waived.map(waivedFinding)];
    found.push(...findings.map((finding) => toFound(finding, tenant.name, undefined)));
  }
  return found;
}

async function readEgressDrift({ egress }: LookParts, tenants: readonly Tenant[]): Promise<ReadonlyMap<TenantName, string[]>> {
  const names = tenants.map(({ name }) => name);
  try {
    return await egress.drift(names);
  } catch (error) {
    return new Map(names.filter(egress.isThere).map((name) => [name, [`can not be read: ${messageOf(error)}`]]));
  }
}

async function setScene({ machine }: LookParts): Promise<Scene> {
  // First the sandboxes: one that starts later is nobody's yet, and looked for again before anybody is alarmed.
  const sandboxes = machine.registry.all();
  const seen = await scanProcesses();
  const byNamespace = Map.groupBy(seen, ({ pidNamespace }) => pidNamespace);
  const living = sandboxes.flatMap((sandbox): Living[] => {
    const found = namespacesOf(sandbox.reaperPid);
    if (!found) return [];
    const inside = byNamespace.get(found.pid) ?? [];
    // A pid that is somebody else's by now is in the machine's namespace.
    const pids =
      found.pid === `pid:[${sandbox.pidNamespace}]` ? inside.map(({ pid }) => pid).filter((pid) => pid !== sandbox.reaperPid) : [];
    return [{ sandbox, owner: ownerOf(sandbox), found, pids }];
  });
  const own = namespacesOf('self');
  if (!own) throw new Error('/proc/self/ns can not be read');
  return { seen, living, machine: own, machineRoot: rootOf('self'), mountIdsOf: rememberMounts(living) };
}

function rememberMounts(living: readonly Living[]): Scene['mountIdsOf'] {
  const known = new Map<TenantName | '', ReadonlySet<string>>();
  return (tenant) => {
    const own = living.filter(({ owner }) => owner.tenant === tenant);
    const ids = known.get(tenant) ?? new Set(own.flatMap(({ sandbox }) => mountsOf(sandbox.reaperPid).map(({ id }) => id)));
    known.set(tenant, ids);
    return ids;
  };
}

async function lookAtSandbox(parts: LookParts, scene: Scene, { sandbox, owner, pids }: Living): Promise<Finding[]> {
  const { machine, store, layers } = parts;
  const tenant = parts.tenants().find(({ name }) => name === owner.tenant);
  const processes = await factsOf(pids);
  const isWaived = (layer: Layer): boolean => layers.waived.some((missing) => missing.layer === layer);
  const findings = checkSandbox(sandbox, processes, {
    uid: uidOf(store, owner, tenant),
    withFilter: !isWaived('syscalls'),
    disk: tenant?.picture.desired() && {
      plan: tenant.picture.limits(),
      image: imageOf(machine, tenant.name, sandbox),
      filesOfImage: tenant.resources.disk.use()?.filesLimit ?? 0,
    },
    machine: scene.machine,
    machineRoot: scene.machineRoot,
    network: {
      tenant: tenant && networkOf(tenant),
      allowedInterfaces: tenant && parts.egress.isThere(tenant.name) ? [linkInside] : [],
      sharedWith: (namespace) => sharersOf(namespace, sandbox, owner, scene),
    },
    mountIds: scene.mountIdsOf(owner.tenant),
    isGiven: (path) => owner.tenant !== '' && path.startsWith(`${machine.paths.pipesDirOf(owner.tenant)}/`),
  });
  const { group } = sandbox;
  const { groups } = machine;
  const inGroups =
    group && groups
      ? checkGroups(processes, `${group.tenant}/${group.member}`, (pid) =>
          groups.astrayIn(group.tenant, group.member, controlGroupLinesOf(pid)),
        )
      : [];
  return [...findings, ...inGroups].filter(({ layer }) => !isWaived(layer));
}

/** A build alone may write code, and does so on a disk of its own. */
function imageOf({ paths }: Machine, tenant: TenantName, { promise }: Sandbox): string {
  const [app] = (promise?.writable ?? []).flatMap(({ target }) => /^\/apps\/([^/]+)$/.exec(target)?.[1] ?? []);
  return app !== undefined && isAppName(app) ? paths.buildImageOf(tenant, app) : paths.diskImageOf(tenant);
}

async function factsOf(pids: readonly number[]): Promise<ProcessFacts[]> {
  const all: ProcessFacts[] = [];
  for (const [index, pid] of pids.entries()) {
    if (index % processesAtOnce === processesAtOnce - 1) await breathe();
    const facts = processFactsOf(pid);
    if (facts && !facts.isZombie) all.push(facts);
  }
  return all;
}

/** By the store, not by what the sandbox was started with. */
function uidOf(store: Store, { role, app }: Owner, tenant: Tenant | undefined): number | undefined {
  if (!tenant) return undefined;
  if (role === 'host') return tenant.resources.uid();
  return role === 'worker' && app !== undefined ? store.uidOf(tenant.name, app) : undefined;
}

function networkOf(tenant: Tenant): string | undefined {
  const network = tenant.resources.network();
  if (typeof network === 'string') return undefined;
  return `net:[${fstatSync(Number(network.path.split('/').at(-1))).ino}]`;
}

/** A tenant's network is of all its sandboxes; any other is of one. */
function sharersOf(network: string, sandbox: Sandbox, owner: Owner, { living }: Scene): string[] {
  const isGiven = sandbox.promise?.network === 'given';
  const others = living.filter((other) => other.sandbox !== sandbox && other.found.net === network);
  const strangers = others.filter(
    (other) => !(isGiven && other.owner.tenant === owner.tenant && other.sandbox.promise?.network === 'given'),
  );
  return strangers.map((other) => `${other.owner.tenant} ${other.owner.subject}`.trim());
}

function lookAtTenant({ machine, layers }: LookParts, scene: Scene, tenant: Tenant, egress: Finding[]): Finding[] {
  const own = scene.living.filter(({ owner }) => owner.tenant === tenant.name);
  if (own.length === 0 || !tenant.picture.desired()) return [];
  const limits = machine.groups ? checkLimits(machine.groups.limitsOf(tenantGroup(tenant.name)), tenant.picture.limits()) : [];
  const hasNetwork = !layers.waived.some(({ layer }) => layer === 'network');
  return [checkStrangers(machine, scene, tenant, own), ...limits, ...(hasNetwork ? egress : [])];
}

/** Nobody is in a tenant's groups, network or mounts but those who are in one of its sandboxes, or hold one. */
function checkStrangers(machine: Machine, { seen, living, machine: own }: Scene, tenant: Tenant, ofTenant: readonly Living[]): Finding {
  const insiders = new Set(living.flatMap(({ sandbox, pids }) => [sandbox.monitorPid, sandbox.reaperPid, ...pids]));
  const networks = new Set(ofTenant.filter(({ found }) => found.net !== own.net).map(({ found }) => found.net));
  const mounts = new Set(ofTenant.map(({ found }) => found.mnt));
  const placesOf = ({ network, mounts: mountsThere, groups }: SeenProcess): string[] => [
    ...(networks.has(network) ? ['network'] : []),
    ...(mounts.has(mountsThere) ? ['mounts'] : []),
    ...(tenantOfGroup(machine.groups?.tenantOf(groups) ?? '') === tenant.name ? ['control group'] : []),
  ];
  const strangers = seen.flatMap((process) => {
    const places = insiders.has(process.pid) ? [] : placesOf(process);
    return places.length === 0 ? [] : [`pid ${process.pid}, ${commandNameOf(process.pid)}, is in its ${places.join(' and ')}`];
  });
  return compare('processes', 'strangers', 'none', listOr(strangers, 'none'), '/proc/*/ns, /proc/*/cgroup');
}

function waivedFinding({ layer, reason }: { layer: string; reason: string }): Finding & { waived: true } {
  const source = "tried at the daemon's start";
  return {
    layer: layer as Layer,
    id: `${layer}.waived`,
    expected: 'in force',
    actual: `missing: ${reason}`,
    ok: false,
    source,
    waived: true,
  };
}

function toFound(finding: Finding, tenant: string, living: Living | undefined): Found {
  return { check: { tenant, subject: living?.owner.subject ?? '', ...finding }, sandbox: living?.sandbox };
}
