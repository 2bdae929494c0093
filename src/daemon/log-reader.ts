import type { AppName } from '../base/ids.ts';
import { type LogPage, logPage, type LogPositions, type LogQuery } from '../protocol/host.ts';
import type { HostLogLines } from './host-handlers.ts';
import type { Machine } from './machine.ts';
import { type JobOwner, runJob } from './manifests.ts';
import type { TenantHost } from './tenant-host.ts';

export type LogEvent = Omit<HostLogLines, 'followId'>;

export interface FollowQuery {
  app?: AppName | undefined;
  /** Where it begins. */
  after: LogPositions;
  /** ISO 8601, UTC: of logs that are not in `after`, only what is from then on. */
  since?: string;
  linesPerSecond?: number;
  onLines: (event: LogEvent) => void;
}

/** What a tenant's apps printed: from its host while that runs, else from a job. Root never opens the files. */
export interface LogReader {
  read(query: LogQuery): Promise<LogPage>;
  /** What comes behind that, over restarts of the host, with nothing twice or left out, until the returned function is called. */
  follow(query: FollowQuery): Promise<() => void>;
  hear(event: HostLogLines): void;
  /** After a new host was configured. */
  resume(): Promise<void>;
}

export interface LogReaderParts {
  machine: Machine;
  host: TenantHost;
  owner: () => JobOwner;
  /** The logs are on the tenant's disk, which is not there while it sleeps. */
  holdUp: () => { ready: Promise<unknown>; release: () => void };
}

/** What a host reads at once; it has other things to do. */
const fewLines = 1_000;

export function createLogReader({ machine, host, owner, holdUp }: LogReaderParts): LogReader {
  const followers = new Map<number, FollowQuery>();
  let nextFollowId = 1;

  async function startFollowing(followId: number, { app, after, since, linesPerSecond }: FollowQuery): Promise<void> {
    if (host.state() !== 'connected') return;
    const rest = {
      ...(app !== undefined && { app }),
      ...(since !== undefined && { since }),
      ...(linesPerSecond !== undefined && { linesPerSecond }),
    };
    await host.request('follow-logs', { followId, after, ...rest });
  }

  return {
    async read(query) {
      const { ready, release } = holdUp();
      try {
        // A host that does not come, for one that ends again and again, has a job do it.
        await ready.catch(() => undefined);
        const byHost = host.state() === 'connected' && isQuick(query);
        return logPage.parse(byHost ? await host.request('read-logs', query) : await runJob(machine, owner(), { job: 'logs', query }));
      } finally {
        release();
      }
    },
    async follow(query) {
      const followId = nextFollowId++;
      const follower = { ...query };
      followers.set(followId, follower);
      try {
        await startFollowing(followId, follower);
      } catch (error) {
        followers.delete(followId);
        throw error;
      }
      return () => {
        followers.delete(followId);
        if (host.state() === 'connected') void host.request('unfollow-logs', { followId }).catch(() => {}); // it ended meanwhile: so did the following
      };
    },
    hear({ followId, ...event }) {
      const follower = followers.get(followId);
      if (!follower) return;
      follower.after = event.positions;
      follower.onLines(event);
    },
    async resume() {
      await Promise.all([...followers].map(([followId, follower]) => startFollowing(followId, follower)));
    },
  };
}

/** A page behind another one is in the files, whether or not the host writes there. */
function isQuick({ lines = 0, until, after }: LogQuery): boolean {
  return lines <= fewLines && until === undefined && after === undefined;
}
