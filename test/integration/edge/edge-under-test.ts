import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { TenantState } from '../../../src/edge/tenant-state.ts';
import type { TestCertificate } from '../../support/certificate.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { until } from '../../support/until.ts';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { createEdge, type Edge, type EdgeOptions } from '../../../src/edge/edge.ts';
import type { EdgeLimits } from '../../../src/edge/limits.ts';
import type { AppRoute, AppRouteState, HostRoute, RequestLimits, TenantRoutes } from '../../../src/protocol/edge.ts';

export const tenant = 'acme' as TenantName;
export const host = 'acme.example';

export interface EdgeUnderTest {
  edge: Edge;
  port: number;
  securePort: number;
  limits: RequestLimits;
  /** What the edge reported of apps' faults. */
  faults: string[];
  socketPath: (file: string) => string;
  /** Serves on a worker's socket until the test ends; answers with the connections that the edge has not closed. */
  serve: (file: string, server: Server) => Promise<Set<Socket>>;
  http: (file: string, listener: RequestListener) => Promise<Set<Socket>>;
  raw: (file: string, onConnection: (socket: Socket) => void) => Promise<Set<Socket>>;
  route: (routes?: Partial<TenantRoutes>) => void;
  tenantState: () => TenantState;
  /** Waits until it is so. */
  seen: (isSo: () => boolean) => Promise<void>;
  setApp: (state: AppRouteState, ...files: string[]) => void;
}

export const appRoute = (state: AppRouteState, files: string[], app = 'site'): AppRoute => ({
  app: app as AppName,
  state,
  upstreams: files.map((file) => ({ id: `${app}.${file}`, socket: `${tenant}/${file}` })),
  release: 'local',
  compress: false,
});

export const hostRoute = (name: string, paths: Record<string, string> = { '/': 'site' }): HostRoute => ({
  host: name,
  paths: Object.entries(paths).map(([prefix, app]) => ({ prefix, app: app as AppName })),
});

/** An edge that listens on a free port and routes `acme.example` to the app `site`, whose worker is the socket `one`. */
export async function startEdge(limits: Partial<EdgeLimits> = {}, options: Partial<EdgeOptions> = {}): Promise<EdgeUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-'));
  mkdirSync(join(folder, tenant));
  const faults: string[] = [];
  const edge = createEdge({
    ...{ socketsDir: folder, httpsPort: 8443, limits: { tickMs: 10, ...limits } },
    reportFault: (_, message) => faults.push(message),
    ...options,
  });
  const server = await edge.listen({ port: 0, host: '127.0.0.1' }, 'http');
  const secureServer = await edge.listen({ port: 0, host: '127.0.0.1' }, 'https');
  onTestFinished(async () => {
    await edge.shutdown(0);
    rmSync(folder, { recursive: true });
  });
  const socketPath = (file: string): string => join(folder, tenant, file);

  async function serve(file: string, app: Server): Promise<Set<Socket>> {
    const connections = new Set<Socket>();
    const all = new Set<Socket>();
    app.on('connection', (socket: Socket) => {
      connections.add(socket);
      for (const event of ['end', 'close']) socket.on(event, () => connections.delete(socket));
      socket.on('error', () => {});
      all.add(socket);
    });
    await new Promise<void>((resolve) => void app.listen(socketPath(file), resolve));
    onTestFinished(() => {
      app.close();
      for (const socket of all) socket.destroy();
    });
    return connections;
  }

  const route = (routes: Partial<TenantRoutes> = {}): void =>
    edge.routes.setTenant({
      tenant,
      hosts: [hostRoute(host)],
      apps: [appRoute('ready', ['one'])],
      limits: generousLimits,
      tls: { redirect: true, hstsSeconds: 0 },
      ...routes,
    });
  route();
  return {
    edge,
    port: (server.address() as AddressInfo).port,
    securePort: (secureServer.address() as AddressInfo).port,
    limits: generousLimits,
    faults,
    socketPath,
    serve,
    http: (file, listener) => serve(file, createHttpServer(listener)),
    raw: (file, onConnection) => serve(file, createServer({ allowHalfOpen: true }, onConnection)),
    route,
    tenantState: () => {
      const state = edge.routes.findHost(host)?.tenant;
      if (!state) throw new Error(`${host} is not routed`);
      return state;
    },
    seen: (isSo) => until(isSo, 'what the test waits for'),
    setApp: (state, ...files) => edge.routes.setApp({ tenant, ...appRoute(state, files) }),
  };
}

/** One that serves a certificate for its tenant. */
export async function startEdgeWith(certificate: TestCertificate, ...options: Parameters<typeof startEdge>): Promise<EdgeUnderTest> {
  const edge = await startEdge(...options);
  edge.edge.certificates.set({ tenant, id: 'file', ...certificate }, Date.now());
  return edge;
}
