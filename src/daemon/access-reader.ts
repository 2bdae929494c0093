import { z } from 'zod';
import { TenantdError } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import { type AccessLinesEvent, type AccessRecord, accessRecord } from '../protocol/access.ts';
import { maxJobOutputBytes } from '../protocol/job.ts';
import { createLineSplitter } from '../protocol/lines.ts';
import type { Machine } from './machine.ts';
import { type JobOwner, runJob, startJob } from './manifests.ts';
import type { Sandbox } from './sandbox-registry.ts';

/** What the edges logged of a tenant's requests, read by jobs of the edges' user. Root never opens the files. */
export interface AccessReader {
  read(tenant: TenantName, query: AccessQuery): Promise<AccessRecord[]>;
  /** The same, and from then on `onLines` is called, until `stop`, or until the job is `ended` by something else. */
  follow(tenant: TenantName, query: AccessQuery, onLines: (event: AccessLinesEvent) => void): Promise<Following>;
}

export interface AccessQuery {
  app?: AppName | undefined;
  /** The newest; absent: as many as fit. */
  lines?: number | undefined;
  since?: string | undefined;
  until?: string | undefined;
}

interface Following {
  lines: AccessRecord[];
  stop: () => void;
  ended: Promise<void>;
}

/** Each is a process. */
const maxFollowers = 32;
/** Others have their turn, too. */
const maxOfTenant = 4;
const answer = z.object({ lines: z.array(z.unknown()).max(10_000), dropped: z.number().min(0).default(0) });

export function createAccessReader(machine: Machine): AccessReader {
  const { paths, edgeUser } = machine;
  const followers = new Set<{ tenant: TenantName }>();

  function ownerFor(tenant: TenantName): JobOwner {
    return { tenant, user: edgeUser, appsDir: paths.emptyDir, logsDir: paths.accessLogsDirOf(tenant) };
  }

  function assertRoom(tenant: TenantName): void {
    const own = [...followers].filter((follower) => follower.tenant === tenant).length;
    if (followers.size < maxFollowers && own < maxOfTenant) return;
    const message = `${own} readers follow the access logs of ${tenant}, ${followers.size} those of all; the limits are ${maxOfTenant} and ${maxFollowers}`;
    throw new TenantdError('TENANTD_E_TOO_MANY', message, 'end one of them');
  }

  return {
    async read(tenant, query) {
      return parseAnswer(await runJob(machine, ownerFor(tenant), { job: 'access-logs', ...query })).lines;
    },
    async follow(tenant, { app, lines, since }, onLines) {
      assertRoom(tenant);
      const request = { job: 'follow-access-logs', app, lines, since } as const;
      const follower = { tenant };
      followers.add(follower);
      const started = startJob(machine, ownerFor(tenant), request);
      const forget = (): void => void followers.delete(follower);
      // Of a failure `started` tells why.
      const ended = started.then(({ exited }) => exited).then(forget, forget);
      const sandbox = await started;
      const stop = (): void => void sandbox.stop(0);
      return { lines: await passOn(sandbox, stop, onLines), stop, ended };
    },
  };
}

/** Answers with the first of what the job prints; hands out the rest. */
function passOn({ stdout, exited }: Sandbox, stop: () => void, onLines: (event: AccessLinesEvent) => void): Promise<AccessRecord[]> {
  const { promise, resolve, reject } = Promise.withResolvers<AccessRecord[]>();
  let isFirst = true;
  const split = createLineSplitter(maxJobOutputBytes, (line) => {
    const event = parseAnswer(JSON.parse(line.toString()));
    if (isFirst) resolve(event.lines);
    else if (event.lines.length + event.dropped > 0) onLines(event);
    isFirst = false;
  });
  stdout?.on('data', (chunk: Buffer) => {
    try {
      if (!split(chunk)) stop();
    } catch {
      stop(); // It printed something else: its end is told.
    }
  });
  void exited.then(({ exitCode }) => {
    reject(new TenantdError('TENANTD_E_JOB_FAILED', `the job that reads access logs ended with code ${exitCode}`, 'try again'));
  });
  return promise;
}

/** Lines that are not as they should be are left out: another version wrote them. */
function parseAnswer(printed: unknown): AccessLinesEvent {
  const { lines, dropped } = answer.parse(printed);
  return { lines: lines.flatMap((line) => accessRecord.safeParse(line).data ?? []), dropped };
}
