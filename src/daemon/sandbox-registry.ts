import type { Duplex } from 'node:stream';
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { Log } from '../base/log.ts';
import { errnoOf, messageOf } from '../base/errors.ts';
import type { StallWatch } from '../base/stall-watch.ts';
import type { ControlGroups, ResourceLimits } from '../privileged/cgroups.ts';
import { isSameProcess, signalProcess } from '../privileged/processes.ts';
import type { SandboxSpec } from '../privileged/sandbox-arguments.ts';
import { commandOf, isSandboxAlive, killSandbox, type Launcher, type LaunchOptions } from '../privileged/sandboxes.ts';
import { tenantOfGroup } from './machine.ts';
import { promiseOf, type SandboxPromise, sandboxPromise } from './sandbox-promise.ts';

const processIdentity = z.strictObject({ pid: z.number().int(), startTicks: z.number() });

/** Written beside each sandbox, by root, for root: how a restarted daemon finds it again. */
const sandboxRecord = z.strictObject({
  id: z.string(),
  monitor: processIdentity,
  reaper: processIdentity,
  pidNamespace: z.number(),
  group: z.strictObject({ tenant: z.string(), member: z.string() }).optional(),
  startedAtMs: z.number(),
  promise: sandboxPromise.exactOptional(),
  verified: z.literal(true).exactOptional(),
  /** What it is for: checked by whoever asked for it. */
  role: z.unknown(),
});
export type SandboxRecord = z.infer<typeof sandboxRecord>;

export interface SandboxGroup {
  tenant: string;
  member: string;
  /** Within the tenant's; default: those. */
  limits?: ResourceLimits;
}

export interface SandboxExit {
  /** As a shell shows it: 128 + signal number for a killed command; null when nobody could tell. */
  exitCode: number | null;
  outOfMemory: boolean;
}

export interface Sandbox {
  readonly id: string;
  readonly startedAtMs: number;
  readonly role: unknown;
  readonly reaperPid: number;
  /** bubblewrap outside: in the sandbox's network, and in the mounts it was made in. */
  readonly monitorPid: number;
  /** As its pid namespace was when it was made: an inode. */
  readonly pidNamespace: number;
  readonly group: { tenant: string; member: string } | undefined;
  /** Undefined for one that was started by a daemon without `verify`. */
  readonly promise: SandboxPromise | undefined;
  /** Kept all that it was promised when it was looked at first. */
  readonly verified: boolean;
  /** Settles once, after all inside is dead and its group, record and status are removed. */
  readonly exited: Promise<SandboxExit>;
  readonly stdout: NodeJS.ReadableStream | null;
  /** The daemon's end, if it was started with one by this daemon. */
  readonly duplex: Duplex | null;
  /** Of the command itself, in the host's pid namespace; 0 while it is not there. */
  commandPid(): number;
  /** SIGTERM to the command; SIGKILL to everything after `graceMs`. */
  stop(graceMs: number): Promise<SandboxExit>;
  /** Replaces what is recorded as its role. */
  record(role: unknown): void;
  markVerified(): void;
}

/**
 * All sandboxes that this daemon answers for, started by it or taken over from the one before.
 *
 * Invariants:
 * - A record is written before `start` answers, and removed only when nothing of the sandbox lives any more.
 * - When a sandbox' command has ended, whatever it left behind is killed.
 */
export interface SandboxRegistry {
  /** `group` names the control group its processes join; the files are asked for here. */
  start(spec: SandboxSpec, options: Omit<LaunchOptions, 'controlGroupFiles'> & { group?: SandboxGroup }, role: unknown): Promise<Sandbox>;
  /** The living ones of the daemon before; called once, first. */
  adopt(onEnded?: (ended: Pick<SandboxRecord, 'role' | 'startedAtMs'>, exit: SandboxExit) => void): Promise<Sandbox[]>;
  /** Called with each sandbox that is started from now on. */
  onStart(listener: (sandbox: Sandbox) => void): void;
  /** Called with each that has ended, while its control group is still there. */
  onEnd(listener: (record: SandboxRecord, exit: SandboxExit) => void): void;
  /** That live now, whoever started them. */
  all(): Sandbox[];
  close(): void;
}

/** How often a sandbox that is not our child is looked at. */
const adoptedSweepMs = 250;

export function createSandboxRegistry(options: {
  launcher: Launcher;
  groups: ControlGroups | undefined;
  directory: string;
  log: Log;
  stalls: Pick<StallWatch, 'own'>;
}): SandboxRegistry {
  const { launcher, groups, directory, log, stalls } = options;
  const adopted = new Map<SandboxRecord, () => void>();
  const living = new Map<string, Sandbox>();
  const startListeners: ((sandbox: Sandbox) => void)[] = [];
  const endListeners: ((record: SandboxRecord, exit: SandboxExit) => void)[] = [];
  const sweep = setInterval(lookAtAdopted, adoptedSweepMs);
  sweep.unref();
  const recordFile = (id: string): string => `${directory}/${id}.json`;

  function save(record: SandboxRecord): void {
    writeFileSync(`${recordFile(record.id)}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${recordFile(record.id)}.new`, recordFile(record.id));
  }

  /** What can't be recorded must not run: the next daemon would not know it. */
  function saveOrKill(record: SandboxRecord): void {
    try {
      save(record);
    } catch (error) {
      killSandbox(record);
      launcher.removeFiles(record.id);
      throw error;
    }
  }

  function lookAtAdopted(): void {
    for (const [record, ended] of adopted) {
      if (isSameProcess(record.monitor) && isSandboxAlive(record)) continue;
      adopted.delete(record);
      ended();
    }
  }

  async function finish(record: SandboxRecord, printed?: Promise<void>): Promise<SandboxExit> {
    const { group } = record;
    // Read before the kill: from then on, the code would be that of the kill.
    const exitCode = launcher.exitCodeOf(record.id) ?? null;
    killSandbox(record);
    await printed;
    const outOfMemory = group !== undefined && wasKilled(exitCode) && (groups?.outOfMemoryKills(group.tenant, group.member) ?? 0) > 0;
    for (const listener of endListeners) listener(record, { exitCode, outOfMemory });
    try {
      if (group) await groups?.removeMember(group.tenant, group.member);
    } catch (error) {
      log.error({ sandbox: record.id, error: messageOf(error) }, 'a control group could not be removed');
    }
    launcher.removeFiles(record.id);
    rmSync(recordFile(record.id), { force: true });
    living.delete(record.id);
    return { exitCode, outOfMemory };
  }

  function wrap(
    record: SandboxRecord,
    ended: Promise<void>,
    streams: Pick<Sandbox, 'stdout' | 'duplex'>,
    printed?: Promise<void>,
  ): Sandbox {
    const exited = ended.then(() => finish(record, printed));
    const sandbox: Sandbox = {
      id: record.id,
      startedAtMs: record.startedAtMs,
      get role() {
        return record.role;
      },
      reaperPid: record.reaper.pid,
      monitorPid: record.monitor.pid,
      pidNamespace: record.pidNamespace,
      group: record.group,
      promise: record.promise,
      get verified() {
        return record.verified ?? false;
      },
      exited,
      ...streams,
      commandPid: () => commandOf(record)?.pid ?? 0,
      async stop(graceMs) {
        const command = commandOf(record);
        if (command) signalProcess(command, 'SIGTERM');
        const timer = setTimeout(() => killSandbox(record), command ? graceMs : 0);
        return exited.finally(() => clearTimeout(timer));
      },
      record(role) {
        record.role = role;
        if (living.has(record.id)) save(record);
      },
      markVerified() {
        if (!living.has(record.id)) return;
        record.verified = true;
        save(record);
      },
    };
    living.set(record.id, sandbox);
    return sandbox;
  }

  /** What the daemon before began to make and did not live to record. */
  function clearUnrecorded(living: SandboxRecord[]): void {
    const known = new Set(living.map(({ id }) => id));
    const unknown = readdirSync(directory).filter((file) => !known.has(file.replace(/\.[a-z]+$/, '')));
    for (const file of unknown.filter((name) => name.endsWith('.status'))) launcher.killUnrecorded(file.slice(0, -'.status'.length));
    for (const file of unknown) rmSync(`${directory}/${file}`, { force: true });
  }

  async function clearGroups(living: SandboxRecord[]): Promise<void> {
    const known = new Set(living.map(({ group }) => `${group?.tenant}/${group?.member}`));
    if (!groups) return;
    for (const tenant of groups.tenants()) {
      const empty = groups.membersOf(tenant).filter((member) => !known.has(`${tenant}/${member}`));
      await Promise.all(empty.map((member) => groups.removeMember(tenant, member)));
    }
  }

  return {
    async start(spec, { group, ...launch }, role) {
      const controlGroupFiles = (group && groups?.makeMember(group.tenant, group.member, group.limits)) ?? [];
      try {
        const launched = await launcher.launch(spec, { ...launch, controlGroupFiles });
        const { monitor, reaper, pidNamespace } = launched;
        const record: SandboxRecord = {
          id: spec.id,
          monitor,
          reaper,
          pidNamespace,
          ...(group && { group: { tenant: group.tenant, member: group.member } }),
          startedAtMs: Date.now(),
          promise: promiseOf(spec, launch),
          role,
        };
        saveOrKill(record);
        const { stdout, duplex, printed } = launched;
        const sandbox = wrap(record, launched.monitorExited, { stdout, duplex }, printed);
        // The edge, certs and the like say nothing for anybody else.
        const owner = group && tenantOfGroup(group.tenant) !== '' ? group.tenant : undefined;
        if (owner !== undefined) for (const end of launched.connections) stalls.own(end, owner, () => killSandbox(record));
        for (const listener of startListeners) listener(sandbox);
        return sandbox;
      } catch (error) {
        if (group) await groups?.removeMember(group.tenant, group.member);
        throw error;
      }
    },

    async adopt(onEnded) {
      const records = readdirSync(directory).flatMap((file) => (file.endsWith('.json') ? readRecord(`${directory}/${file}`, log) : []));
      const living = records.filter(isSandboxAlive);
      const ended = records.filter((record) => !living.includes(record));
      await Promise.all(ended.map(async (record) => finish(record).then((exit) => onEnded?.(record, exit))));
      clearUnrecorded(living);
      await clearGroups(living);
      return living.map((record) => wrap(record, new Promise((resolve) => adopted.set(record, resolve)), { stdout: null, duplex: null }));
    },

    onStart: (listener) => void startListeners.push(listener),
    onEnd: (listener) => void endListeners.push(listener),
    all: () => [...living.values()],
    close: () => clearInterval(sweep),
  };
}

/** By SIGKILL, or together with the monitor that would have told. An app may have outlived a child that was out of memory. */
function wasKilled(exitCode: number | null): boolean {
  return exitCode === null || exitCode === 137;
}

function readRecord(file: string, log: Log): SandboxRecord[] {
  try {
    return [sandboxRecord.parse(JSON.parse(readFileSync(file, 'utf8')))];
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    // Half written when the machine went down: its processes went down with it.
    log.warn({ file, error: messageOf(error) }, 'a sandbox record is unreadable and was left out');
    return [];
  }
}
