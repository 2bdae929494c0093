import { z } from 'zod';
import type { AppName } from '../base/ids.ts';
import { type LogLine, logLine } from '../protocol/host.ts';
import type { HostLogLines } from './host-handlers.ts';
import type { Machine } from './machine.ts';
import { type JobOwner, runJob } from './manifests.ts';
import type { TenantHost } from './tenant-host.ts';

/** What a tenant's apps printed: from its host while that runs, else from a job. Root never opens the files. */
export interface LogReader {
  read(app: AppName | undefined, lines: number): Promise<LogLine[]>;
  /** Calls `onLines` from now on, over restarts of the host, until the returned function is called. */
  follow(app: AppName | undefined, onLines: (lines: LogLine[], dropped: number) => void): Promise<() => void>;
  hear(event: HostLogLines): void;
  /** After a new host was configured. */
  resume(): Promise<void>;
}

interface Follower {
  app: AppName | undefined;
  onLines: (lines: LogLine[], dropped: number) => void;
}

const answer = z.object({ lines: z.array(logLine).max(10_000) });

export interface LogReaderParts {
  machine: Machine;
  host: TenantHost;
  owner: () => JobOwner;
  /** The logs are on the tenant's disk, which is not there while it sleeps. */
  holdUp: () => { ready: Promise<unknown>; release: () => void };
}

export function createLogReader({ machine, host, owner, holdUp }: LogReaderParts): LogReader {
  const followers = new Map<number, Follower>();
  let nextFollowId = 1;

  async function startFollowing(followId: number, { app }: Follower): Promise<void> {
    if (host.state() !== 'connected') return;
    await host.request('follow-logs', { followId, ...(app !== undefined && { app }) });
  }

  return {
    async read(app, lines) {
      const params = { lines, ...(app !== undefined && { app }) };
      const { ready, release } = holdUp();
      try {
        // A host that does not come, for one that ends again and again, has a job do it.
        await ready.catch(() => undefined);
        const read =
          host.state() === 'connected'
            ? await host.request('read-logs', params)
            : await runJob(machine, owner(), { job: 'logs', ...params });
        return answer.parse(read).lines;
      } finally {
        release();
      }
    },
    async follow(app, onLines) {
      const followId = nextFollowId++;
      const follower = { app, onLines };
      followers.set(followId, follower);
      await startFollowing(followId, follower);
      return () => {
        followers.delete(followId);
        if (host.state() === 'connected') void host.request('unfollow-logs', { followId }).catch(() => {}); // it ended meanwhile: so did the following
      };
    },
    hear: ({ followId, lines, dropped }) => followers.get(followId)?.onLines(lines, dropped),
    async resume() {
      await Promise.all([...followers].map(([followId, follower]) => startFollowing(followId, follower)));
    },
  };
}
