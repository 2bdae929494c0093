import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { basename, join } from 'node:path';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { createChannel } from '../../../src/protocol/channel.ts';
import type { EdgeSettings, RequestLimits, TenantRoutes } from '../../../src/protocol/edge.ts';
import { startProgram } from './programs.ts';
import { acceptsBoth, hostName, listenAddress, type Proxy, type ProxyOptions } from './proxy.ts';

const bundle = new URL('../../../dist/edge.js', import.meta.url).pathname;
const tenant = 'bench' as TenantName;
const app = 'site' as AppName;

/** Far from what the cases need. */
const limits: RequestLimits = {
  bodySizeBytes: 1 << 30,
  headSizeBytes: 64 << 10,
  targetSizeBytes: 8 << 10,
  requestsPerSecond: 0,
  concurrentRequests: 1_000_000,
  queuedRequests: 1_000,
  webSockets: 1_000_000,
  connectionsPerAddress: 0,
  idleTimeoutMs: 3_600_000,
  tunnelIdleTimeoutMs: 3_600_000,
  responseTimeoutMs: 30_000,
  requestTimeoutMs: 0,
};

/** The edge master with its edges, as built, without the sandbox; the benchmark is the daemon. */
export async function startTenantd(options: ProxyOptions): Promise<Proxy> {
  if (!existsSync(bundle)) throw new Error('dist/edge.js is missing: run npm run build');
  const { folder, upstreams, processes, nodeOptions = [], cpus } = options;
  const logPath = join(folder, 'logs');
  mkdirSync(join(logPath, tenant), { recursive: true });
  const [http, https] = [bind(), bind()];
  const settings: EdgeSettings = {
    httpListeners: 1,
    httpsListeners: 1,
    httpsPort: https.address().port,
    processes,
    trustedProxies: [],
    proxyProtocol: false,
    accessLogs: { maxBytes: 1 << 30, keep: 1 },
    controlSocket: join(folder, 'control.sock'),
    socketsDir: upstreamFolder(upstreams),
    logsDir: logPath,
  };
  const daemon = await startDaemon(settings.controlSocket ?? '', options);
  const running = startProgram({
    command: [process.execPath, '--disable-sigusr1', ...nodeOptions, bundle, JSON.stringify(settings)],
    env: { NODE_ENV: 'production' },
    outputFile: join(folder, 'output.log'),
    cpus,
    cwd: folder,
    inherit: [http.fd(), https.fd()],
  });
  const stop = async (): Promise<void> => {
    await running.stop();
    daemon.close();
    http.close();
    https.close();
  };
  const ports = { httpPort: http.address().port, httpsPort: https.address().port };
  try {
    await running.untilReady(() => acceptsBoth(ports));
  } catch (error) {
    await stop();
    throw error;
  }
  return { name: 'tenantd', pid: running.pid, ...ports, logPath, stop };
}

function bind(): net.BoundSocket {
  return new net.BoundSocket({ host: listenAddress, port: 0 });
}

/** Upstreams are `<tenant>/<file>` below it. */
function upstreamFolder([first = '']: readonly string[]): string {
  return join(first, '../..');
}

async function startDaemon(path: string, { upstreams, certificate }: ProxyOptions): Promise<{ close: () => void }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    const channel = createChannel({
      stream: socket,
      handlers: { certificate: (params) => reportCertificate(params as { problem?: string }) },
    });
    channel.notify('snapshot-begin', {});
    channel.notify('set-certificate', { tenant, id: 'bench', chain: read(certificate.chainFile), key: read(certificate.keyFile) });
    channel.notify('set-tenant', routesTo(upstreams));
    channel.notify('snapshot-end', {});
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(path, resolve);
  await promise;
  return {
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

const read = (file: string): string => readFileSync(file, 'utf8');

function reportCertificate({ problem }: { problem?: string }): void {
  if (problem !== undefined) process.stderr.write(`the edge can't use the certificate: ${problem}\n`);
}

function routesTo(upstreams: readonly string[]): TenantRoutes {
  return {
    tenant,
    hosts: [{ host: hostName, paths: [{ prefix: '/', app }] }],
    apps: [
      {
        app,
        state: 'ready',
        upstreams: upstreams.map((path) => ({ id: basename(path), socket: `${tenant}/${basename(path)}` })),
        release: 'local',
        compress: false,
      },
    ],
    limits,
    tls: { redirect: false, hstsSeconds: 0 },
  };
}
