import http from 'node:http';
import { once } from 'node:events';
import type { ChildProcess } from 'node:child_process';
import { connectNetworks, makeNetwork, type TestNetwork } from '../support/network-world.ts';
import type { TenantFiles, TestDaemon } from '../support/test-daemon.ts';
import { outsideServers } from './egress-outside.ts';
import { socketOf } from './probe.ts';

/** The machine's own addresses, beside its loopback. */
export const machineAddresses = ['198.51.100.2', '2001:db8:1::2'];
export const machinePort = 8_080;
/** Of servers outside. The public ones are those that are for documentation: nobody has them. */
export const outsideAddresses = [
  ...['203.0.113.10', '203.0.113.20', '10.0.0.5', '10.0.1.5', '192.168.7.7', '169.254.169.254', '100.100.100.200'],
  ...['2001:db8:2::10', '2001:db8:3::10', 'fd00:ec2::254'],
];

/** The machine, the world outside of it, and a neighbour in the machine's own network. */
export interface EgressWorld {
  machine: TestNetwork;
  neighbour: TestNetwork;
  /** What arrived outside by UDP: `TEXT from ADDRESS`. */
  arrived(): Promise<string[]>;
  close(): void;
}

export async function makeEgressWorld(): Promise<EgressWorld> {
  const networks = [await makeNetwork(), await makeNetwork(), await makeNetwork()] as const;
  const close = (): void => networks.forEach((network) => network.close());
  try {
    const [machine, outside, neighbour] = networks;
    const servers = await furnish(machine, outside, neighbour);
    return { machine, neighbour, close, arrived: () => askServers(servers) };
  } catch (error) {
    close();
    throw error;
  }
}

async function furnish(machine: TestNetwork, outside: TestNetwork, neighbour: TestNetwork): Promise<ChildProcess> {
  connectNetworks({ network: machine, device: 'uplink' }, { network: outside, device: 'downlink' });
  connectNetworks({ network: machine, device: 'lan' }, { network: neighbour, device: 'eth0' });
  machine.run(
    ...['ip address add 198.51.100.2/24 dev uplink', 'ip address add 2001:db8:1::2/64 dev uplink nodad'],
    ...['ip address add 10.9.0.1/24 dev lan', 'ip route add default via 198.51.100.1', 'ip route add default via 2001:db8:1::1'],
  );
  outside.run(
    ...['ip address add 198.51.100.1/24 dev downlink', 'ip address add 2001:db8:1::1/64 dev downlink nodad'],
    ...outsideAddresses.map((address) => `ip address add ${address} dev downlink${address.includes(':') ? ' nodad' : ''}`),
    // So that what the machine passes on by mistake would be answered.
    'ip route add 10.9.0.0/24 via 198.51.100.2',
  );
  neighbour.run('ip address add 10.9.0.9/24 dev eth0', 'ip route add default via 10.9.0.1');
  await machine.start(process.execPath, outsideServers, ...machineAddresses);
  return outside.start(process.execPath, outsideServers, ...outsideAddresses);
}

async function askServers(servers: ChildProcess): Promise<string[]> {
  servers.stdin?.write('?\n');
  const [line] = (await once(servers.stdout ?? servers, 'data')) as [Buffer];
  return JSON.parse(line.toString()) as string[];
}

// Answers `/tcp/ADDRESS/PORT` and `/udp/ADDRESS/PORT` with what a server there says, or why not. `/open/...` keeps a connection,
// and `/say` uses it. It also listens, for whoever can reach it.
const app = `
const { once } = require('node:events');
const limit = () => AbortSignal.timeout(8000);
let kept;
const ways = {
  async tcp(host, port) {
    const socket = require('node:net').connect({ host, port });
    const [data] = await once(socket, 'data', { signal: limit() }).finally(() => socket.destroy());
    return data.toString().trim();
  },
  async udp(host, port) {
    const socket = require('node:dgram').createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.connect(Number(port), host, () => socket.send('hello'));
    const [data] = await once(socket, 'message', { signal: limit() }).finally(() => socket.close());
    return data.toString();
  },
  async open(host, port) {
    kept = require('node:net').connect({ host, port });
    const [data] = await once(kept, 'data', { signal: limit() });
    kept.on('error', () => {});
    return data.toString().trim();
  },
  async say() {
    kept.write('still here');
    const [data] = await once(kept, 'data', { signal: limit() });
    return data.toString();
  },
};
require('node:http').createServer(async (request, response) => {
  const [, way, ...where] = request.url.split('/').map(decodeURIComponent);
  response.end(await ways[way](...where).catch((error) => error.code ?? error.name));
}).listen(3000, () => require('node:net').createServer((socket) => socket.end('an app')).listen(4000, '0.0.0.0'));`;

export function reachingTenant(name: string, egress: string): TenantFiles {
  return {
    'tenant.yaml': `domains: [${name}.test]\nnetwork: { egress: ${egress} }\n`,
    'apps/site/server.js': app,
    'apps/site/app.yaml': 'kind: node\nentry: server.js\ndrain: 1s\n',
  };
}

/** `way`: what the app is to do, `tcp ADDRESS PORT`, say. */
export function inApp(daemon: TestDaemon, tenant: string, way: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const path = `/${way.split(' ').map(encodeURIComponent).join('/')}`;
  const request = http.get({ socketPath: socketOf(daemon, tenant, 'site'), path, agent: false }, (response) => {
    let text = '';
    response.on('data', (chunk: Buffer) => (text += chunk.toString()));
    response.on('end', () => resolve(text));
  });
  request.on('error', reject);
  return promise;
}
