import type { NamespaceKind, Namespaces, ProcessFacts } from '../privileged/facts-process.ts';
import type { SandboxPromise } from './sandbox-promise.ts';
import { compare, type Finding, judge, judgeAll, listOr } from './verify-finding.ts';
import { nameOf } from './verify-rights.ts';

const ofItsOwn: readonly NamespaceKind[] = ['cgroup', 'ipc', 'mnt', 'pid', 'uts'];

export interface Places {
  reaperPid: number;
  found: Namespaces;
  machine: Namespaces;
  /** As it was when the sandbox was made. */
  pidNamespace: number;
  root: string | undefined;
  machineRoot: string | undefined;
}

/** Namespaces and root of a sandbox are not the machine's, and its pid namespace is the one that was recorded. */
export function checkPlaces({ reaperPid, found, machine, pidNamespace, root, machineRoot }: Places): Finding[] {
  const shared = ofItsOwn.filter((kind) => found[kind] === machine[kind]);
  const strange = found.user === machine.user ? [] : [found.user];
  const source = `/proc/${reaperPid}/ns`;
  const show = (namespaces: Namespaces): string => ofItsOwn.map((kind) => namespaces[kind]).join(' ');
  return [
    judge('processes', 'namespaces', shared.length + strange.length === 0, {
      expected: `others than ${show(machine)}`,
      actual: [show(found), ...strange].join(' '),
      source,
    }),
    compare('processes', 'pid-namespace', `pid:[${pidNamespace}]`, found.pid, `${source}/pid`),
    judge('root', 'own', root !== undefined && root !== machineRoot, {
      expected: `another than ${machineRoot ?? 'unknown'}`,
      actual: root ?? 'unknown',
      source: `/proc/${reaperPid}/root`,
    }),
  ];
}

export interface NetworkPlace {
  reaperPid: number;
  promised: SandboxPromise['network'];
  found: string;
  machine: string;
  /** Of the tenant; undefined when it has none. */
  tenant: string | undefined;
  /** Sandboxes of others in the same network. */
  sharedWith: readonly string[];
  interfaces: readonly string[];
  allowedInterfaces: readonly string[];
}

export function checkNetwork(place: NetworkPlace): Finding[] {
  const { reaperPid, promised, found, machine, tenant, sharedWith, interfaces } = place;
  const source = `/proc/${reaperPid}/ns/net`;
  if (promised === 'machine') return [compare('network', 'namespace', machine, found, source)];
  const isGiven = promised === 'given';
  const allowed = ['lo', ...(isGiven ? place.allowedInterfaces : [])];
  const alone = 'shared with nobody else';
  return [
    judge('network', 'namespace', found !== machine && (!isGiven || found === tenant), {
      expected: isGiven ? `its tenant's, ${tenant ?? 'none'}` : `another than ${machine}`,
      actual: found,
      source,
    }),
    compare('network', 'apart', alone, sharedWith.length === 0 ? alone : `shared with ${listOr(sharedWith, '')}`, source),
    judge(
      'network',
      'interfaces',
      interfaces.every((name) => allowed.includes(name)),
      {
        expected: `none but ${allowed.join(', ')}`,
        actual: listOr(interfaces, 'none'),
        source: `/proc/${reaperPid}/net/dev`,
      },
    ),
  ];
}

/** Every process of a sandbox is in the sandbox' own control group. */
export function checkGroups(processes: readonly ProcessFacts[], group: string, astrayIn: (pid: number) => string[]): Finding[] {
  return judgeAll('resources', 'group', processes, {
    expected: `in ${group}`,
    actual({ pid }) {
      const astray = astrayIn(pid);
      // Version 2 has one hierarchy, without a name.
      const where = astray.some((name) => name !== '') ? ` in ${astray.join(', ')}` : '';
      return astray.length === 0 ? `in ${group}` : `elsewhere${where}`;
    },
    name: nameOf,
    source: ({ pid }) => `/proc/${pid}/cgroup`,
  });
}
