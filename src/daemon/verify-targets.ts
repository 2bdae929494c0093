import { readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { isPublicAddress } from '../base/public-address.ts';
import { namespacesOf } from '../privileged/facts-process.ts';
import type { ProbeInput } from '../protocol/probes.ts';
import { contains } from './egress-list.ts';
import type { Machine } from './machine.ts';
import type { Tenant } from './tenant.ts';

/** Something of the machine to attack: it is there for as long as this runs, and answers nobody. */
export interface Decoys {
  abstractSocket: string;
  port: number;
  close(): void;
}

export async function openDecoys(): Promise<Decoys> {
  const abstractSocket = `tenantd-decoy-${randomBytes(6).toString('hex')}`;
  const servers = [createServer((socket) => socket.destroy()), createServer((socket) => socket.destroy())];
  const [local, loopback] = servers as [Server, Server];
  await Promise.all([once(local.listen(`\0${abstractSocket}`), 'listening'), once(loopback.listen(0, '127.0.0.1'), 'listening')]);
  const address = loopback.address();
  return {
    abstractSocket,
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () => servers.forEach((server) => server.close()),
  };
}

export interface TargetParts {
  machine: Machine;
  configFile: string;
  tenants: () => Tenant[];
  edgePids: () => number[];
}

/** So many tenants stand for all others: a command line has an end. */
const mostOthers = 8;

/** What an attacker in a sandbox of this tenant would want to reach, by its real names. */
export function targetsFor({ machine, configFile, tenants, edgePids }: TargetParts, tenant: Tenant, decoys: Decoys): ProbeInput {
  const { paths } = machine;
  const others = tenants()
    .filter((other) => other.name !== tenant.name && other.resources.uid() > 0)
    .slice(0, mostOthers);
  const workers = others.flatMap((other) => other.workers.all().map((worker) => ({ other, worker })));
  const pids = [
    process.pid,
    ...edgePids(),
    ...others.map(({ host }) => host.pid()),
    ...workers.map(({ worker }) => worker.sandbox.commandPid()),
  ];
  const livingPids = pids.filter((pid) => pid > 0);
  return {
    files: [
      '/etc/shadow',
      paths.database,
      paths.machineKeyFile,
      configFile,
      ...others.flatMap(({ name }) => [paths.diskImageOf(name), `${paths.tenantDirOf(name)}/tenant.yaml`]),
    ],
    // Of runDir one that no sandbox has: its own /run/tenantd may have the same name.
    folders: [paths.tenantsDir, paths.stateDir, paths.sandboxesDir, paths.logDir],
    pids: livingPids,
    uids: others.map(({ resources }) => resources.uid()),
    unixSockets: [
      paths.operatorSocket,
      ...edgeSockets(paths.edgeDir),
      ...workers.map(({ other, worker }) => paths.socketOf(other.name, worker.socket)),
    ],
    abstractSockets: [decoys.abstractSocket],
    loopbackPorts: [decoys.port],
    endpoints: closedEndpoints(tenant),
    namespaces: [...new Set(livingPids.flatMap((pid) => Object.values(namespacesOf(pid) ?? {})))].filter(
      (name) => !name.startsWith('user:'),
    ),
    words: others.map(({ name }) => `${paths.tenantStateDirOf(name)}/`),
    interfaces: [],
    environment: [],
  };
}

/** A cloud's metadata, private networks, the machine itself; addresses that are nobody's (RFC 5737, RFC 3849) stand for all others. */
const everywhere = ['169.254.169.254', 'fd00:ec2::254', '10.255.255.254', '192.168.255.254', 'fd00::1', '192.0.2.1', '2001:db8::1'];

/** None of them is in the tenant's own list. */
function closedEndpoints(tenant: Tenant): { host: string; port: number }[] {
  const listed = tenant.picture.desired()?.config.egress ?? [];
  const blocks = listed === 'any' ? [] : listed.flatMap((target) => ('block' in target ? [target.block] : []));
  const own = Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.filter(({ internal }) => !internal).map(({ address }) => address),
  );
  const others = listed === 'any' ? everywhere.filter((address) => !isPublicAddress(address)) : everywhere;
  const closed = [...others, ...own.filter((address) => !address.startsWith('fe80:'))];
  return closed.filter((address) => !blocks.some((block) => contains(block, address))).map((host) => ({ host, port: 80 }));
}

/** One for each edge master. */
function edgeSockets(edgeDir: string): string[] {
  return readdirSync(edgeDir).map((name) => `${edgeDir}/${name}/control.sock`);
}
