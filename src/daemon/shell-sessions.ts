import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { z } from 'zod';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import { ensureDirectory } from '../privileged/directories.ts';
import { Upgrade } from '../protocol/channel.ts';
import type { SessionResult } from '../protocol/control.ts';
import type { TerminalSettings } from '../protocol/terminal.ts';
import { type Machine, programCommand } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';
import type { SecretVault } from './secret-vault.ts';
import { type Recording, startRecording } from './shell-recording.ts';
import { type EndReason, relaySession } from './shell-relay.ts';
import { createSessionTrail, type SessionFacts } from './shell-trail.ts';
import type { Store } from './store.ts';
import type { Twin } from './twin.ts';

export type SessionRequest = Omit<SessionFacts, 'session'> & { twin: Twin };

/**
 * Shells and commands of operators in tenants' sandboxes.
 *
 * Invariants:
 * - Each is in the audit trail before it starts, and again when it ended; where recording is on, none runs without.
 * - None outlives its client's connection, and so neither this daemon.
 */
export interface Sessions {
  /** For those that are opened from now on. */
  configure(settings: DaemonConfig['shells']): void;
  /** Answers a call; the connection becomes the session's. */
  open(request: SessionRequest): Promise<Upgrade>;
  countOf(tenant: TenantName): number;
  endOf(tenant: TenantName): Promise<void>;
  /** Ends all; no more are opened. */
  close(): Promise<void>;
  /** What the daemon before left of one. */
  endLeft(sandbox: Sandbox): void;
  /** A sandbox that ended while no daemon ran. */
  noteEnded(ended: { role: unknown; startedAtMs: number }, exit: { exitCode: number | null }): void;
}

export interface SessionsParts {
  machine: Machine;
  store: Pick<Store, 'appendAudit'>;
  vault: Pick<SecretVault, 'handOver'>;
  settings: DaemonConfig['shells'];
  /** Of one of the tenant: it may sleep now. */
  onEnd: (tenant: TenantName) => void;
}

export const sessionRole = z.strictObject({
  role: z.literal('shell'),
  kind: z.enum(['shell', 'exec']),
  tenant: z.string(),
  session: z.string(),
  actor: z.string(),
});

interface OpenSession {
  tenant: TenantName;
  end: (reason: EndReason) => void;
  gone: Promise<void>;
}

const maxSessions = 64;
const maxSessionsOfTenant = 8;
const heapMegabytes = 32;

export function createSessions({ machine, store, vault, ...parts }: SessionsParts): Sessions {
  const { log, paths, registry } = machine;
  const trail = createSessionTrail(store, log);
  const sessions = new Map<string, OpenSession>();
  let { settings } = parts;
  let closed = false;

  function assertRoom(tenant: TenantName): void {
    if (closed) throw new TenantdError('TENANTD_E_UNREACHABLE', 'the daemon stops', 'run the command again when it is back');
    const [count, limits] = [countOf(tenant), `the limits are ${maxSessionsOfTenant} and ${maxSessions}`];
    if (sessions.size < maxSessions && count < maxSessionsOfTenant) return;
    const message = `${tenant} has ${count} sessions open, all tenants ${sessions.size}; ${limits}`;
    throw new TenantdError('TENANTD_E_TOO_MANY', message, 'end one of them');
  }

  function countOf(tenant: TenantName): number {
    return [...sessions.values()].filter((session) => session.tenant === tenant).length;
  }

  async function open({ twin, ...request }: SessionRequest): Promise<Upgrade> {
    assertRoom(request.tenant);
    const facts: SessionFacts = { ...request, session: randomBytes(5).toString('hex') };
    const ending = Promise.withResolvers<EndReason>();
    const gone = Promise.withResolvers<void>();
    // From now on: it takes room before it is there.
    sessions.set(facts.session, { tenant: facts.tenant, end: ending.resolve, gone: gone.promise });
    const forget = (): void => {
      sessions.delete(facts.session);
      gone.resolve();
      parts.onEnd(facts.tenant);
    };
    try {
      const { recordBytes, record, keep } = settings;
      const recording = record ? startRecordingOf(facts, recordBytes, keep) : undefined;
      const sandbox = await start(facts, twin, recording);
      const result: SessionResult = { session: facts.session };
      return new Upgrade(result, (client) => {
        run(facts, sandbox, client, recording, ending.promise)
          .catch((error: unknown) => log.error({ session: facts.session, error: messageOf(error) }, 'a session ended in a fault'))
          .finally(forget);
      });
    } catch (error) {
      forget();
      throw error;
    }
  }

  function startRecordingOf(facts: SessionFacts, maxBytes: number, keep: number): Recording {
    const { session, tenant } = facts;
    const { command, tty: size } = facts.settings;
    const directory = paths.recordingsDirOf(tenant);
    for (const own of [paths.recordingsDir, directory]) ensureDirectory(own, { uid: 0, gid: 0, mode: 0o700 });
    return startRecording({ directory, session, title: nameOf(facts), command, size, maxBytes, keep, now: () => new Date() });
  }

  async function start(facts: SessionFacts, twin: Twin, recording: Recording | undefined): Promise<Sandbox> {
    const { session, kind, actor, tenant, app } = facts;
    try {
      trail.opened(facts, recording?.file);
      return await registry.start(
        {
          ...twin.spec,
          id: `s.${tenant}.${session}`,
          // Of root's making: what the user may remove can't be where a sandbox begins.
          workingDirectory: app === undefined ? '/data' : twin.spec.workingDirectory,
          command: programCommand('terminal', settingsOf(facts), [`--max-old-space-size=${heapMegabytes}`]),
        },
        {
          ...twin.launch,
          // Before the tenant's apps.
          outOfMemoryScore: 800,
          output: 'ignore',
          withDuplex: true,
          inherit: [],
          ...(facts.secrets && app !== undefined && { handOver: vault.handOver(tenant, app) }),
          group: { tenant: twin.group, member: `s.${session}` },
        },
        { role: 'shell', kind, tenant, session, actor },
      );
    } catch (error) {
      recording?.close();
      trail.failed(facts, error);
      throw error;
    }
  }

  async function run(
    facts: SessionFacts,
    sandbox: Sandbox,
    client: Duplex,
    recording: Recording | undefined,
    ending: Promise<EndReason>,
  ): Promise<void> {
    const { duplex: program, startedAtMs } = sandbox;
    if (!program) throw new Error('a session was started without a connection');
    const { idle } = settings;
    const relay = relaySession({ sandbox, program, client, recording, idleMs: idle, onIdle: () => idleReason(idle ?? 0) });
    void ending.then((reason) => relay.end(reason));
    const end = await relay.ended;
    const recorded = recording && { file: recording.file, ...recording.close() };
    trail.closed(facts, { ...end, durationMs: Date.now() - startedAtMs, recording: recorded });
  }

  async function endAll(ended: readonly OpenSession[], reason: EndReason): Promise<void> {
    for (const { end } of ended) end(reason);
    await Promise.all(ended.map(({ gone }) => gone));
  }

  return {
    configure: (changed) => void (settings = changed),
    open,
    countOf,
    async endOf(tenant) {
      const reason = endedBecause(`${tenant} is stopped`, `see tenantctl status ${tenant}`);
      await endAll(
        [...sessions.values()].filter((session) => session.tenant === tenant),
        reason,
      );
    },
    async close() {
      closed = true;
      await endAll([...sessions.values()], endedBecause('the daemon stops', 'run the command again when it is back'));
    },
    noteEnded({ role, startedAtMs }, { exitCode }) {
      const session = sessionRole.safeParse(role).data;
      if (session) trail.left({ ...session, tenant: session.tenant as TenantName }, exitCode, Date.now() - startedAtMs);
    },
    endLeft(sandbox) {
      const { tenant, ...role } = sessionRole.parse(sandbox.role);
      const facts = { ...role, tenant: tenant as TenantName };
      void sandbox.stop(0).then(({ exitCode }) => trail.left(facts, exitCode, Date.now() - sandbox.startedAtMs));
    },
  };
}

function nameOf({ tenant, app }: SessionFacts): string {
  return app === undefined ? tenant : `${tenant}/${app}`;
}

function settingsOf(facts: SessionFacts): TerminalSettings {
  const { app, secrets, settings } = facts;
  return { ...settings, directory: app === undefined ? '/data/home' : `/apps/${app}`, prompt: nameOf(facts), withSecrets: secrets };
}

function endedBecause(why: string, fix: string): EndReason {
  return { code: 'TENANTD_E_SESSION_ENDED', message: `the session was ended: ${why}`, fix };
}

function idleReason(idleMs: number): EndReason {
  return endedBecause(
    `nothing was typed or printed for ${Math.round(idleMs / 1_000)} s`,
    'shells.idle in tenantd.yaml says for how long that may be',
  );
}
