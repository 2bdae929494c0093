import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { messageOf, TenantdError } from '../base/errors.ts';
import { version } from '../base/version.ts';
import type { Channel } from '../protocol/channel.ts';
import type { EdgeSettings } from '../protocol/edge.ts';
import { removeOtherFolders, sortAdopted } from './edge-adoption.ts';
import { EdgeMaster, type EdgeMasterParts, type EdgeRole } from './edge-master.ts';
import { edgeGroup, startEdgeSandbox } from './edge-sandbox.ts';
import { type EdgeConfig, toEdgeSettings } from './edge-settings.ts';
import { EdgeSockets } from './edge-sockets.ts';
import { createTurns } from './in-turn.ts';
import { keepLastOutput } from './last-output.ts';
import type { Machine } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';

const restartPolicy: BackoffPolicy = { firstMs: 100, maxMs: 10_000, healthyMs: 30_000 };
/** How long what is open at old edges may go on: tunnels, streams, downloads. */
const retireMs = 3_600_000;
/** So many old ones may have something open at a time; of more, the oldest has this long. */
const mostRetiring = 3;
const hastenedMs = 30_000;
const connectLimitMs = 15_000;
const acceptLimitMs = 30_000;
const answerLimitMs = 10_000;
/** For one that does not do as it is told. */
const terminateMs = 10_000;
/** Beyond its own time, until it is ended. */
const overdueMs = 60_000;

const handedOver = z.object({ state: z.string().max(16 << 20) });
const acceptance = z.object({ accepting: z.boolean() });

export interface EdgeMastersParts {
  machine: Machine;
  config: EdgeConfig;
  handlersOf: EdgeMasterParts['handlersOf'];
  /** Tells one everything, as soon as that is known. */
  sendSnapshot: (master: EdgeMaster, channel: Channel) => void;
}

/**
 * The edge masters: the one that serves, old ones that finish what is open at them, and while one takes another's place, the next.
 *
 * Invariants:
 * - From `start` on there is one that serves, or one on its way; the first restart is at once.
 * - An old one is asked to stop accepting only when every edge of the next accepts, on the same sockets.
 * - What each of them is, is recorded with its sandbox before it acts on it: a daemon that comes later goes on from there.
 */
export class EdgeMasters {
  private readonly parts: EdgeMastersParts;
  private readonly sockets: EdgeSockets;
  private readonly build: string;
  private readonly living = new Set<EdgeMaster>();
  private readonly inTurn = createTurns();
  private config: EdgeConfig;
  private serving: EdgeMaster | undefined = undefined;
  private replacing = false;
  private failures = 0;
  private incarnation = 0;
  private stopping = false;

  constructor(parts: EdgeMastersParts) {
    this.parts = parts;
    this.config = parts.config;
    const { programs, libDir, manager } = parts.machine;
    this.sockets = new EdgeSockets(programs.perl, manager);
    this.build = `${version} ${process.version} ${createHash('sha256')
      .update(readFileSync(`${libDir}/edge.js`))
      .digest('hex')}`;
  }

  get current(): EdgeMaster | undefined {
    return this.serving;
  }

  get isStopping(): boolean {
    return this.stopping;
  }

  all(): EdgeMaster[] {
    return [...this.living];
  }

  /** Takes up what a daemon before this one left. */
  async start(sandboxes: readonly Sandbox[]): Promise<void> {
    const { known, unknown, serves } = sortAdopted(sandboxes);
    // Of a version with which nobody can talk.
    await Promise.all(unknown.map((sandbox) => sandbox.stop(terminateMs)));
    removeOtherFolders(this.parts.machine.paths.edgeDir, known);
    for (const { sandbox, role } of known) await this.adopt(sandbox, role, sandbox === serves);
    if (!this.serving) return this.launchServing();
    await this.holdSockets(this.serving).catch((error: unknown) =>
      this.parts.machine.log.warn({ error: messageOf(error) }, 'while the edge runs on it alone has the listening sockets'),
    );
  }

  /** What counts from the next start of edges on. */
  configure(config: EdgeConfig): void {
    this.config = config;
  }

  /** The one that serves was started from another build, or with other settings, than the next would be. */
  isOutdated(): boolean {
    const role = this.serving?.role;
    return role !== undefined && !this.replacing && (role.build !== this.build || role.settings !== this.settingsKey());
  }

  /**
   * New edges in the place of those that serve. Settles when they accept and the old ones no longer do. When it rejects, the old ones go on.
   */
  replace(): Promise<void> {
    return this.inTurn(async () => {
      this.replacing = true;
      try {
        await this.putNext();
      } finally {
        this.replacing = false;
        if (!this.serving && !this.stopping) this.relaunchSoon();
      }
    });
  }

  async stop(graceMs: number): Promise<void> {
    this.stopping = true;
    const { machine } = this.parts;
    await Promise.all(this.all().map((master) => this.shutDown(master, graceMs)));
    await machine.groups?.removeTenant(edgeGroup);
    this.sockets.keepOnly([]);
  }

  private async shutDown(master: EdgeMaster, graceMs: number): Promise<void> {
    // What is written to it once it has ended breaks the connection, before its answer is read.
    master.isTold = false;
    try {
      await master.channel?.request('shutdown', { timeoutMs: graceMs }, graceMs + 2_000);
    } catch (error) {
      this.parts.machine.log.warn({ error: messageOf(error) }, 'the edge did not shut down when asked to');
    }
    await master.sandbox?.stop(2_000);
    await master.close();
  }

  private async adopt(sandbox: Sandbox, role: EdgeRole, isChosen: boolean): Promise<void> {
    const master = new EdgeMaster(this.masterParts(), role);
    await master.listen();
    this.watch(master, sandbox);
    if (!isChosen) return void this.retire(master);
    this.serving = master;
    master.setPhase('serving');
  }

  private masterParts(): EdgeMasterParts {
    const { machine, handlersOf, sendSnapshot } = this.parts;
    return {
      machine,
      handlersOf,
      onConnected: (master, channel) => {
        if (master === this.serving) channel.notify('take-calls', {});
        // One that starts has to be told something else first.
        if (master.role.phase !== 'starting') sendSnapshot(master, channel);
      },
    };
  }

  private async putNext(): Promise<void> {
    const before = this.serving;
    if (before) await this.holdSockets(before);
    const next = await this.launch('starting');
    try {
      await this.bringUp(next, before);
    } catch (error) {
      await next.sandbox?.stop(0);
      this.sockets.keepOnly(before?.role.addresses ?? this.addresses());
      const message = `new edges could not be started: ${messageOf(error)}`;
      throw new TenantdError('TENANTD_E_EDGE', message, 'the old ones serve on; see the log of the daemon', { cause: error });
    }
    this.serving = next;
    next.setPhase('serving');
    await next.channel?.request('take-calls', {}, answerLimitMs).catch(() => {}); // It ended: the next one takes them.
    if (before && this.living.has(before)) await this.retire(before);
    this.sockets.keepOnly(this.addresses());
    this.parts.machine.log.info({ processes: this.config.edge.processes }, 'new edges serve; the old ones finish what is open');
  }

  private async bringUp(next: EdgeMaster, before: EdgeMaster | undefined): Promise<void> {
    const { log } = this.parts.machine;
    const channel = await next.connected(connectLimitMs);
    try {
      const answer = await before?.channel?.request('hand-over', {}, answerLimitMs);
      if (answer !== undefined) await channel.request('take-over', handedOver.parse(answer), answerLimitMs);
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'new edges begin with keys of their own: clients have a full handshake');
    }
    this.parts.sendSnapshot(next, channel);
    const answer = await channel.request('await-accepting', { timeoutMs: acceptLimitMs }, acceptLimitMs + 2_000);
    if (!acceptance.parse(answer).accepting) throw new Error('they do not accept connections');
  }

  /** Settles when it accepts no more. */
  private async retire(master: EdgeMaster): Promise<void> {
    const { log } = this.parts.machine;
    master.setPhase('retiring');
    const timer = setTimeout(() => void master.sandbox?.stop(0), retireMs + overdueMs).unref();
    void master.sandbox?.exited.then(() => clearTimeout(timer));
    try {
      const channel = await master.connected(answerLimitMs);
      await channel.request('retire', { timeoutMs: retireMs }, answerLimitMs);
    } catch (error) {
      if (!this.living.has(master) || this.stopping) return;
      log.error({ error: messageOf(error) }, 'old edges did not stop accepting when asked to, and are ended');
      await master.sandbox?.stop(terminateMs);
    }
    this.hasten();
  }

  private hasten(): void {
    const retiring = this.all().filter(({ role }) => role.phase === 'retiring');
    const oldestFirst = retiring.toSorted((a, b) => (a.sandbox?.startedAtMs ?? 0) - (b.sandbox?.startedAtMs ?? 0));
    for (const master of oldestFirst.slice(0, Math.max(0, retiring.length - mostRetiring))) {
      this.parts.machine.log.info({ endsInMs: hastenedMs }, 'there are many old edges: what is open at the oldest is ended soon');
      // With its answer it is gone.
      master.channel?.request('shutdown', { timeoutMs: hastenedMs }, hastenedMs + overdueMs).catch(() => {});
    }
  }

  private async holdSockets(master: EdgeMaster): Promise<void> {
    const process = master.process();
    if (process) await this.sockets.takeFrom(process, master.role.addresses);
  }

  private addresses() {
    return [...this.config.http.listen, ...(this.config.https?.listen ?? [])];
  }

  private settingsKey(): string {
    return JSON.stringify([this.addresses(), toEdgeSettings(this.config)]);
  }

  private async launch(phase: 'starting' | 'serving'): Promise<EdgeMaster> {
    const { machine } = this.parts;
    const addresses = this.addresses();
    const inherit = this.sockets.bind(addresses);
    // Unlike those of any daemon before.
    const name = `${Date.now().toString(36)}.${this.incarnation++}`;
    const role: EdgeRole = { role: 'edge', name, phase, addresses, build: this.build, settings: this.settingsKey() };
    const master = new EdgeMaster(this.masterParts(), role);
    const settings: EdgeSettings = { ...toEdgeSettings(this.config), ...(phase === 'starting' && { standby: true }) };
    try {
      await master.listen();
      this.watch(master, await startEdgeSandbox(machine, master, settings, inherit));
      return master;
    } catch (error) {
      await master.close();
      throw error;
    }
  }

  private watch(master: EdgeMaster, sandbox: Sandbox): void {
    master.sandbox = sandbox;
    this.living.add(master);
    const lastOutput = keepLastOutput(sandbox.stdout);
    void sandbox.exited.then(async ({ exitCode }) => {
      this.living.delete(master);
      await master.close();
      if (master.role.phase !== 'retiring' && !this.stopping)
        this.parts.machine.log.error({ exitCode, output: lastOutput() }, 'the edge master ended');
      if (master !== this.serving) return;
      this.serving = undefined;
      this.failures = Date.now() - sandbox.startedAtMs >= restartPolicy.healthyMs ? 1 : this.failures + 1;
      if (!this.replacing) this.relaunchSoon();
    });
  }

  private relaunchSoon(): void {
    if (this.stopping) return;
    const delayMs = this.failures <= 1 ? 0 : backoffDelayMs(restartPolicy, this.failures - 1);
    setTimeout(() => void this.inTurn(() => this.relaunch()), delayMs);
  }

  private async relaunch(): Promise<void> {
    if (this.stopping || this.serving) return;
    try {
      await this.launchServing();
    } catch (error) {
      this.parts.machine.log.error({ error: messageOf(error) }, 'the edge master could not be started again');
      this.failures += 1;
      this.relaunchSoon();
    }
  }

  private async launchServing(): Promise<void> {
    this.serving = await this.launch('serving');
  }
}
