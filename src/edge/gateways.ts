import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { AppName, TenantName } from '../base/ids.ts';
import { gatewaySocket } from '../protocol/edge-paths.ts';
import type { TenantRoutes } from '../protocol/edge.ts';
import type { FaultLog } from './fault-log.ts';

/** An app that calls another tenant's. */
export interface Caller {
  tenant: TenantName;
  app: AppName;
}

export interface GatewaysOptions {
  /** Holds `<tenant>/<app>/`, which that app alone finds in its sandbox. */
  directory: string;
  /** Not read from yet. */
  onCall: (caller: Caller, socket: Socket) => void;
  reportFault: FaultLog;
}

/**
 * Where apps call what other tenants granted them: a Unix socket for each app of a tenant that has a grant. Who calls is known by
 * the socket alone.
 *
 * Invariant: there is a socket exactly for the apps of tenants that somebody grants something now.
 */
export class Gateways {
  private readonly options: GatewaysOptions;
  private readonly servers = new Map<string, Server>();

  constructor(options: GatewaysOptions) {
    this.options = options;
  }

  update(tenants: readonly TenantRoutes[]): void {
    const granted = new Set(tenants.flatMap(({ grants = [] }) => grants.map(({ to }) => to)));
    const callers = tenants.flatMap(({ tenant, apps }) => (granted.has(tenant) ? apps.map(({ app }) => ({ tenant, app })) : []));
    const wanted = new Map(callers.map((caller) => [this.pathOf(caller), caller]));
    for (const [path, server] of this.servers) if (!wanted.has(path)) this.close(path, server);
    for (const [path, caller] of wanted) if (!this.servers.has(path)) this.open(path, caller);
  }

  private pathOf({ tenant, app }: Caller): string {
    return `${this.options.directory}/${tenant}/${app}/${gatewaySocket}`;
  }

  private open(path: string, caller: Caller): void {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => this.options.onCall(caller, socket));
    this.servers.set(path, server);
    server.on('error', (error) => {
      // Its folder is not there yet, say: it is tried again with the next change.
      this.servers.delete(path);
      this.options.reportFault('error', `no gateway for ${caller.tenant}/${caller.app}: ${error.message}`);
    });
    // Left by a master that was killed.
    rmSync(path, { force: true });
    // Open to all: only one app's sandbox has the folder.
    server.listen(path, () => chmodSync(path, 0o666));
    server.unref();
  }

  private close(path: string, server: Server): void {
    this.servers.delete(path);
    server.close();
  }
}
