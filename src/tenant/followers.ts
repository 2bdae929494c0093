import { TenantdError } from '../base/errors.ts';
import type { LogLine, LogPositions } from '../logs/line.ts';
import { TenantLog } from '../logs/tenant-log.ts';

export interface LogLinesMessage {
  followId: number;
  lines: LogLine[];
  dropped: number;
  positions: LogPositions;
}

export interface FollowRequest {
  followId: number;
  app?: string | undefined;
  /** Where it begins. An app that is not in it is read from its log's start. */
  after: LogPositions;
  /** ISO 8601, UTC: of those logs, only what is from then on. */
  since?: string | undefined;
  /** For a reader that wants to be up to date rather than to have all: what is more is left out, and counted. */
  linesPerSecond?: number | undefined;
}

/**
 * Those who read along, from the files: who is slow is behind, and slows nobody down. What is lost to one is what its files lose
 * before it came to it, and is counted.
 */
export interface Followers {
  follow: (request: FollowRequest) => void;
  unfollow: (followId: number) => void;
  /** There are new lines of the app in its file. */
  noteKept: (app: string) => void;
  /** Sends what is there, as far as one message of each takes it. */
  flush: () => void;
  clear: () => void;
}

export interface FollowersOptions {
  dir: string;
  send: (message: LogLinesMessage) => void;
  /** False while what was sent before still waits to be read. */
  maySend: () => boolean;
  nowMs: () => number;
}

interface Follower {
  log: TenantLog;
  allowance: Allowance | undefined;
}

interface Allowance {
  perSecond: number;
  lines: number;
  atMs: number;
}

const maxFollowers = 32;
/** Well below the size of a frame (1 MiB): what else a host has to say waits behind it. */
const message = { maxLines: 500, maxBytes: 128 * 1024 };
const sendMs = 50;

export function createFollowers({ dir, send, maySend, nowMs }: FollowersOptions): Followers {
  const followers = new Map<number, Follower>();
  let timer: NodeJS.Timeout | undefined;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (!maySend()) return schedule();
    for (const [followId, follower] of followers) {
      const { lines, dropped } = take(follower, nowMs());
      if (lines.length + dropped > 0) send({ followId, lines, dropped, positions: follower.log.positions() });
      if (follower.log.hasMore()) schedule();
    }
  }

  function schedule(): void {
    if (followers.size > 0) timer ??= setTimeout(flush, sendMs);
  }

  function unfollow(followId: number): void {
    followers.get(followId)?.log.close();
    followers.delete(followId);
  }

  return {
    follow({ followId, app, after, since, linesPerSecond }) {
      // Told again: it goes on from where it is, since what was sent may be on its way.
      if (followers.has(followId)) return;
      if (followers.size >= maxFollowers) {
        throw new TenantdError('TENANTD_E_INVALID_REQUEST', `${maxFollowers} readers follow these logs already`, 'end one of them');
      }
      const log = new TenantLog({ dir, app, startOf: (name) => (after[name] === undefined ? { since } : { after: after[name] }) });
      const allowance = linesPerSecond === undefined ? undefined : { perSecond: linesPerSecond, lines: linesPerSecond, atMs: nowMs() };
      followers.set(followId, { log, allowance });
      schedule();
    },
    unfollow,
    noteKept(app) {
      for (const { log } of followers.values()) log.add(app);
      schedule();
    },
    flush,
    clear() {
      for (const followId of followers.keys()) unfollow(followId);
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

function take({ log, allowance }: Follower, nowMs: number): { lines: LogLine[]; dropped: number } {
  if (!allowance) return log.take(message);
  const { perSecond, lines, atMs } = allowance;
  const allowed = Math.min(perSecond, lines + ((nowMs - atMs) / 1_000) * perSecond);
  const taken = log.take({ ...message, maxLines: Math.min(message.maxLines, Math.floor(allowed)) });
  allowance.lines = allowed - taken.lines.length;
  allowance.atMs = nowMs;
  if (!log.hasMore()) return taken;
  log.skip();
  return { lines: taken.lines, dropped: taken.dropped + log.take({ ...message, maxLines: 0 }).dropped };
}
