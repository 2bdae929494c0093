import { rmSync } from 'node:fs';
import net from 'node:net';
import { z } from 'zod';
import { TenantdError } from '../base/errors.ts';
import { ensureDirectory } from '../privileged/directories.ts';
import { childrenOf, identifyProcess, type ProcessIdentity } from '../privileged/processes.ts';
import { listenUnixSocket } from '../privileged/sockets.ts';
import { type Channel, createChannel, type Handler } from '../protocol/channel.ts';
import type { Machine } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';
import { createWaiters } from './waiters.ts';

const address = z.object({ host: z.string(), port: z.number() });

/** As recorded with its sandbox. */
export const edgeRole = z.object({
  role: z.literal('edge'),
  /** Of the folder with its control socket. */
  name: z.string(),
  /** `starting`: not in the place of the one before yet. `retiring`: accepts nothing, and ends when nothing is open at it. */
  phase: z.enum(['starting', 'serving', 'retiring']),
  /** Of the listening sockets that it inherited, in their order. */
  addresses: z.array(address),
  /** What it was started from and with, as text to compare. */
  build: z.string(),
  settings: z.string(),
});
export type EdgeRole = z.infer<typeof edgeRole>;

export interface EdgeMasterParts {
  machine: Machine;
  handlersOf: (master: EdgeMaster) => Readonly<Record<string, Handler>>;
  onConnected: (master: EdgeMaster, channel: Channel) => void;
}

/**
 * One edge master as the daemon sees it: its sandbox and its connection.
 *
 * Invariant: it has a control socket of its own, in a folder that its sandbox alone has: so who speaks is known, also after the daemon's
 * restart.
 */
export class EdgeMaster {
  channel: Channel | undefined = undefined;
  sandbox: Sandbox | undefined = undefined;
  /** It has heard of everything, and is to hear of every change. */
  isTold = false;
  role: EdgeRole;
  private readonly parts: EdgeMasterParts;
  private readonly directory: string;
  private readonly waiters = createWaiters();
  private closeServer = async (): Promise<void> => {};
  private ended = false;
  private closing: Promise<void> | undefined = undefined;

  constructor(parts: EdgeMasterParts, role: EdgeRole) {
    this.parts = parts;
    this.role = role;
    this.directory = `${parts.machine.paths.edgeDir}/${role.name}`;
  }

  get controlDirectory(): string {
    return this.directory;
  }

  async listen(): Promise<void> {
    const { gid } = this.parts.machine.edgeUser;
    ensureDirectory(this.directory, { uid: 0, gid, mode: 0o750 });
    const server = net.createServer((socket) => this.accept(socket));
    this.closeServer = await listenUnixSocket(server, `${this.directory}/control.sock`, { uid: 0, gid, mode: 0o660 });
  }

  setPhase(phase: EdgeRole['phase']): void {
    this.role = { ...this.role, phase };
    this.sandbox?.record(this.role);
  }

  tell(method: string, params: unknown): void {
    if (this.isTold) this.channel?.notify(method, params);
  }

  /** Its connection, when it is there; rejects when the master ends before. */
  connected(timeoutMs: number): Promise<Channel> {
    return this.waiters.until(
      () => {
        if (this.ended) throw new TenantdError('TENANTD_E_UNREACHABLE', 'the edge master ended', 'see the log of the daemon');
        return this.channel;
      },
      'the edge master connects',
      timeoutMs,
    );
  }

  process(): ProcessIdentity | undefined {
    return identifyProcess(this.sandbox?.commandPid() ?? 0);
  }

  edgePids(): number[] {
    const pid = this.sandbox?.commandPid() ?? 0;
    return pid === 0 ? [] : childrenOf(pid);
  }

  /** Nothing of it is left, or it was never started. */
  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  private async closeAll(): Promise<void> {
    this.ended = true;
    this.waiters.notify();
    this.channel?.close();
    await this.closeServer();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private accept(socket: net.Socket): void {
    const { handlersOf, machine, onConnected } = this.parts;
    // Only the master can open the directory; a second connection is its own new one after the first broke.
    this.channel?.close();
    const channel = createChannel({
      stream: socket,
      maxQueuedBytes: 64 << 20,
      handlers: handlersOf(this),
      onFault: (error) => machine.log.warn({ error: error.message }, 'the edge said something unreadable'),
    });
    this.channel = channel;
    this.isTold = false;
    void channel.closed.then(() => this.channel === channel && (this.channel = undefined));
    onConnected(this, channel);
    this.waiters.notify();
  }
}
