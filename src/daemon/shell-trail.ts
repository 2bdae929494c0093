import { basename } from 'node:path';
import { messageOf } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { TerminalSettings } from '../protocol/terminal.ts';
import { outcomeOf } from './control-server.ts';
import type { RelayEnd } from './shell-relay.ts';
import type { RecordingEnd } from './shell-recording.ts';
import type { Store } from './store.ts';

/** What is known of a session before it starts. */
export interface SessionFacts {
  session: string;
  kind: 'shell' | 'exec';
  /** As the audit trail has it. */
  actor: string;
  tenant: TenantName;
  app: AppName | undefined;
  settings: Pick<TerminalSettings, 'command' | 'tty'>;
  /** With the app's. */
  secrets: boolean;
}

export interface SessionRecord extends RelayEnd {
  durationMs: number;
  recording: ({ file: string } & RecordingEnd) | undefined;
}

/** A session's records in the audit trail: one before it starts, one when it ended. */
export interface SessionTrail {
  /** Throws when it can't be written: then nobody is let in. */
  opened(facts: SessionFacts, recording: string | undefined): void;
  failed(facts: SessionFacts, error: unknown): void;
  closed(facts: SessionFacts, record: SessionRecord): void;
  /** Of one that the daemon before left. */
  left(facts: Pick<SessionFacts, 'session' | 'kind' | 'actor' | 'tenant'>, exitCode: number | null, durationMs: number): void;
}

type Subject = Pick<SessionFacts, 'kind' | 'actor' | 'tenant'>;

export function createSessionTrail(store: Pick<Store, 'appendAudit'>, log: Log): SessionTrail {
  function append({ kind, tenant, actor }: Subject, what: 'open' | 'close', before: unknown, after: unknown, outcome: string): void {
    const texts = { before: JSON.stringify(before), after: JSON.stringify(after) };
    store.appendAudit({ tenant, time: new Date().toISOString(), actor, action: `${kind}-${what}`, ...texts, outcome });
  }

  /** What happened can't be undone for want of a record. */
  function close(facts: Subject & Pick<SessionFacts, 'session'>, after: unknown, outcome: string): void {
    try {
      append(facts, 'close', { session: facts.session }, after, outcome);
    } catch (error) {
      log.error({ session: facts.session, error: messageOf(error) }, 'the end of a session could not be written to the audit trail');
    }
  }

  return {
    opened: (facts, recording) => append(facts, 'open', null, describe(facts, recording), 'done'),
    failed: (facts, error) => close(facts, null, outcomeOf(error)),
    closed(facts, { error, durationMs, exitCode, outOfMemory, bytesIn, bytesOut, recording }) {
      const after = { exitCode, outOfMemory, durationMs, bytesIn, bytesOut, ...(recording && { recording }) };
      const { session, kind, tenant, app } = facts;
      log.info({ tenant, app, kind, session, ...after }, 'a session ended');
      close(facts, after, error?.message ?? 'done');
    },
    left: (facts, exitCode, durationMs) => close(facts, { exitCode, durationMs }, 'the daemon was restarted'),
  };
}

/** Arguments may hold secrets: of a command, the trail has the name alone (Invariant 11). */
function describe({ session, app, secrets, settings: { command, tty } }: SessionFacts, recording: string | undefined): unknown {
  const [program] = command ?? [];
  return {
    session,
    ...(app !== undefined && { app }),
    ...(program !== undefined && { program: basename(program).slice(0, 100) }),
    tty: tty !== undefined,
    ...(secrets && { secrets }),
    ...(recording !== undefined && { recording }),
  };
}
