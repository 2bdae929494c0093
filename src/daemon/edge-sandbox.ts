import { edgeGatewaysDir, edgeLogsDir } from '../protocol/edge-paths.ts';
import type { EdgeSettings } from '../protocol/edge.ts';
import type { EdgeMaster } from './edge-master.ts';
import { baseEnvironment, type Machine, programBinds, programCommand } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';

/** The control group of all edges. */
export const edgeGroup = 'edge';
/** As many times what a tenant has: it works for all of them. */
const edgeShare = 4;

/** The sandbox of an edge master and its edges, with the listening sockets `inherit`. */
export function startEdgeSandbox(
  machine: Machine,
  { role, controlDirectory }: EdgeMaster,
  settings: EdgeSettings,
  inherit: readonly number[],
): Promise<Sandbox> {
  const { paths, edgeUser } = machine;
  machine.groups?.setShare(edgeGroup, edgeShare);
  return machine.registry.start(
    {
      id: `edge.${role.name}`,
      uid: edgeUser.uid,
      gid: edgeUser.gid,
      hostname: 'edge',
      env: { ...baseEnvironment, HOME: '/tmp' },
      binds: [
        ...programBinds(machine),
        { source: controlDirectory, target: '/run/tenantd/edge', access: 'read' },
        { source: paths.socketsDir, target: '/run/tenantd/sockets', access: 'read' },
        { source: paths.edgeLogsDir, target: edgeLogsDir, access: 'write' },
        { source: paths.gatewaysDir, target: edgeGatewaysDir, access: 'write' },
      ],
      tmpBytes: 16 << 20,
      tmpInodes: 1_000,
      workingDirectory: '/',
      command: programCommand('edge', settings),
    },
    // A network of its own with nothing in it: the listening sockets are the machine's, whoever accepts from them.
    {
      ...{ network: 'empty', output: 'pipe', outOfMemoryScore: 0, inherit, mayReset: true },
      group: { tenant: edgeGroup, member: `master.${role.name}` },
    },
    role,
  );
}
