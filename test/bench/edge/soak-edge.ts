import { existsSync, mkdirSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { type Channel, createChannel } from '../../../src/protocol/channel.ts';
import type { AppRoute, EdgeNotifications, EdgeSettings, TenantRoutes } from '../../../src/protocol/edge.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { makeCertificate, type TestCertificate } from '../../support/certificate.ts';
import { processTree } from './cpu.ts';
import { startProgram } from './programs.ts';
import { acceptsBoth, hostName, listenAddress, type Ports } from './proxy.ts';

const bundle = new URL('../../../dist/edge.js', import.meta.url).pathname;
const tenant = 'bench' as TenantName;
const app = 'site' as AppName;
const certificateCount = 8;
/** How many other tenants come and go. */
const neighbourCount = 50;

export interface SoakEdge extends Ports {
  /** The master and its edges, in the order of their start. */
  pids(): number[];
  /** One more change of routes or certificates, as a busy daemon would tell it. */
  update(): void;
  updates(): number;
  /** Certificates that the edge refused, which it must not. */
  problems: string[];
  stop(): Promise<void>;
}

export interface SoakEdgeOptions {
  folder: string;
  /** Of the upstream, below `<folder>/bench`. */
  socket: string;
  nodeOptions: readonly string[];
}

/** The edge as built, without its sandbox; the caller is its daemon. */
export async function startSoakEdge({ folder, socket, nodeOptions }: SoakEdgeOptions): Promise<SoakEdge> {
  if (!existsSync(bundle)) throw new Error('dist/edge.js is missing: run npm run build');
  const logsDir = join(folder, 'logs');
  mkdirSync(join(logsDir, tenant), { recursive: true });
  const [http, https] = [bind(), bind()];
  const ports = { httpPort: http.address().port, httpsPort: https.address().port };
  const controlSocket = join(folder, 'control.sock');
  const settings: EdgeSettings = {
    ...{ httpListeners: 1, httpsListeners: 1, httpsPort: ports.httpsPort, processes: 1, trustedProxies: [], proxyProtocol: false },
    ...{ accessLogs: { maxBytes: 64 << 20, keep: 1 }, controlSocket, socketsDir: folder, logsDir },
  };
  const daemon = await startDaemon(controlSocket, socket);
  const running = startProgram({
    command: [process.execPath, '--disable-sigusr1', ...nodeOptions, bundle, JSON.stringify(settings)],
    env: { NODE_ENV: 'production' },
    outputFile: join(folder, 'output.log'),
    cwd: folder,
    inherit: [http.fd(), https.fd()],
  });
  await running.untilReady(() => acceptsBoth(ports));
  return {
    ...ports,
    ...daemon,
    pids: () => processTree(running.pid),
    async stop() {
      await running.stop();
      daemon.close();
      http.close();
      https.close();
    },
  };
}

function bind(): net.BoundSocket {
  return new net.BoundSocket({ host: listenAddress, port: 0 });
}

async function startDaemon(path: string, socket: string) {
  const certificates = Array.from({ length: certificateCount }, () => makeCertificate([hostName]));
  const problems: string[] = [];
  const sockets = new Set<net.Socket>();
  let channel: Channel | undefined;
  let updates = 0;
  const tell: Tell = (method, params) => channel?.notify(method, params);
  const server = net.createServer((stream) => {
    sockets.add(stream);
    channel = createChannel({ stream, handlers: { certificate: (params) => noteCertificate(params as { problem?: string }, problems) } });
    tell('snapshot-begin', {});
    tell('set-certificate', { tenant, id: 'bench', ...(certificates[0] as TestCertificate) });
    tell('set-tenant', routesTo(socket, 0));
    tell('snapshot-end', {});
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(path, resolve);
  await promise;
  return {
    problems,
    update: () => sendUpdate(tell, updates++, socket, certificates),
    updates: () => updates,
    close() {
      server.close();
      for (const stream of sockets) stream.destroy();
    },
  };
}

function noteCertificate({ problem }: { problem?: string }, problems: string[]): void {
  if (problem !== undefined) problems.push(problem);
}

type Tell = <Method extends keyof EdgeNotifications>(method: Method, params: EdgeNotifications[Method]) => void;

/** In turn: the tenant's routes, its app's upstream under another id, its certificate, and a neighbour that comes or goes. */
function sendUpdate(tell: Tell, index: number, socket: string, certificates: readonly TestCertificate[]): void {
  const round = index >> 2;
  const certificate = certificates[round % certificates.length] as TestCertificate;
  const neighbour = `neighbour${round % neighbourCount}` as TenantName;
  const turns = [
    () => tell('set-tenant', routesTo(socket, round)),
    () => tell('set-app', { tenant, ...appRoute(socket, round) }),
    () => tell('set-certificate', { tenant, id: 'bench', ...certificate }),
    () =>
      Math.floor(round / neighbourCount) % 2 === 0 ? addNeighbour(tell, neighbour, socket) : tell('remove-tenant', { tenant: neighbour }),
  ];
  turns[index % turns.length]?.();
}

function addNeighbour(tell: Tell, neighbour: TenantName, socket: string): void {
  const hosts = [{ host: `${neighbour}.test`, paths: [{ prefix: '/', app }] }];
  tell('set-tenant', { ...routesTo(socket, 0), tenant: neighbour, hosts });
}

function routesTo(socket: string, round: number): TenantRoutes {
  return {
    tenant,
    hosts: [
      { host: hostName, paths: [{ prefix: '/', app }] },
      { host: `preview${round}.${hostName}`, paths: [{ prefix: '/', app }] },
    ],
    apps: [appRoute(socket, round)],
    limits: { ...generousLimits, concurrentRequests: 1_000_000, queuedRequests: 1_000, idleTimeoutMs: 3_600_000 },
    tls: { redirect: false, hstsSeconds: 0 },
  };
}

/** Another id is another worker to the edge, also on the same socket. */
function appRoute(socket: string, round: number): AppRoute {
  return { app, state: 'ready', upstreams: [{ id: `worker${round}`, socket }], release: `release${round}`, compress: false };
}
