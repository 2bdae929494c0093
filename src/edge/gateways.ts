import { randomBytes } from 'node:crypto';
import { renameSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
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
  /** Another master has its own there: they are opened with `take`. */
  standby?: boolean;
  /** Not read from yet. */
  onCall: (caller: Caller, socket: Socket) => void;
  reportFault: FaultLog;
}

/** Whoever found a name before it was replaced has connected by then; the queue is emptied in each turn of the event loop. */
const takenMs = 200;

/**
 * Where apps call what other tenants granted them: a Unix socket for each app of a tenant that has a grant. Who calls is known by
 * the socket alone.
 *
 * Invariant: there is a socket exactly for the apps of tenants that somebody grants something now.
 */
export class Gateways {
  private readonly options: GatewaysOptions;
  private readonly servers = new Map<string, Server>();
  private pending: NodeJS.Immediate | undefined = undefined;
  private phase: 'standby' | 'open' | 'closed';
  /** Another master may make the same names at the same time. */
  private readonly unfinished = `${randomBytes(4).toString('hex')}.new`;
  private readonly asideUntilMs = new Map<TenantName, number>();

  constructor(options: GatewaysOptions) {
    this.options = options;
    this.phase = options.standby === true ? 'standby' : 'open';
  }

  /** In the place of another master's, if there is one. */
  take(tenants: () => readonly TenantRoutes[]): void {
    if (this.phase !== 'standby') return;
    this.phase = 'open';
    this.apply(tenants());
  }

  /** Another master's are in their place: what was on its way here is taken, and no name is removed. */
  async retire(): Promise<void> {
    this.phase = 'closed';
    if (this.servers.size > 0) await wait(takenMs);
    for (const server of this.servers.values()) server.close();
    this.servers.clear();
  }

  /** Soon: when the daemon tells everything, a thousand changes come at once. */
  update(tenants: () => readonly TenantRoutes[]): void {
    this.pending ??= setImmediate(() => {
      this.pending = undefined;
      this.apply(tenants());
    });
  }

  /** Closes those of a tenant for a while. */
  setAside(tenant: TenantName, asideMs: number, tenants: () => readonly TenantRoutes[]): void {
    this.asideUntilMs.set(tenant, Math.max(performance.now() + asideMs, this.asideUntilMs.get(tenant) ?? 0));
    this.update(tenants);
    setTimeout(() => this.update(tenants), asideMs + 1).unref();
  }

  private apply(tenants: readonly TenantRoutes[]): void {
    if (this.phase !== 'open') return;
    for (const [tenant, untilMs] of this.asideUntilMs) if (untilMs <= performance.now()) this.asideUntilMs.delete(tenant);
    const granted = new Set(tenants.flatMap(({ grants = [] }) => grants.map(({ to }) => to)));
    const mayCall = (tenant: TenantName): boolean => granted.has(tenant) && !this.asideUntilMs.has(tenant);
    const callers = tenants.flatMap(({ tenant, apps }) => (mayCall(tenant) ? apps.map(({ app }) => ({ tenant, app })) : []));
    const wanted = new Map(callers.map((caller) => [this.pathOf(caller), caller]));
    for (const [path, server] of this.servers) if (!wanted.has(path)) this.close(path, server);
    for (const [path, caller] of wanted) if (!this.servers.has(path)) this.open(path, caller);
  }

  /** Leaves no socket behind. */
  closeAll(): void {
    this.phase = 'closed';
    for (const [path, server] of this.servers) this.close(path, server);
  }

  private pathOf({ tenant, app }: Caller): string {
    return `${this.options.directory}/${tenant}/${app}/${gatewaySocket}`;
  }

  private open(path: string, caller: Caller): void {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => this.options.onCall(caller, socket));
    this.servers.set(path, server);
    server.on('error', (error) => {
      // Its folder is not there yet, say: it is tried again with the next change. One that listens only missed a call.
      if (!server.listening) this.servers.delete(path);
      this.options.reportFault('error', `no gateway for ${caller.tenant}/${caller.app}: ${error.message}`);
    });
    // Open to all: only one app's sandbox has the folder. It listens before it has its name: no call is refused.
    const unfinished = join(dirname(path), this.unfinished);
    server.listen({ path: unfinished, readableAll: true, writableAll: true });
    if (server.listening) renameSync(unfinished, path);
    server.unref();
  }

  private close(path: string, server: Server): void {
    this.servers.delete(path);
    server.close();
    rmSync(path, { force: true });
  }
}
