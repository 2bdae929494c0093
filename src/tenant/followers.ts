import { TenantdError } from '../base/errors.ts';
import type { LogLine } from '../logs/line.ts';

export interface LogLinesMessage {
  followId: number;
  lines: LogLine[];
  dropped: number;
}

/** Those who read along. Each has a bounded queue: who is slow loses lines, is told how many, and slows nobody down. */
export interface Followers {
  follow: (followId: number, app: string | undefined) => void;
  unfollow: (followId: number) => void;
  offer: (line: LogLine) => void;
  clear: () => void;
}

export interface FollowersOptions {
  send: (message: LogLinesMessage) => void;
  /** False while what was sent before still waits to be read. */
  maySend: () => boolean;
}

interface Follower {
  app: string | undefined;
  lines: LogLine[];
  bytes: number;
  dropped: number;
}

const maxFollowers = 32;
/** A message has at most this, below the size of a frame (1 MiB). */
const maxLines = 1_000;
const maxBytes = 768 * 1024;
const sendMs = 50;

export function createFollowers({ send, maySend }: FollowersOptions): Followers {
  const followers = new Map<number, Follower>();
  let timer: NodeJS.Timeout | undefined;

  function flush(): void {
    timer = undefined;
    if (!maySend()) return schedule();
    for (const [followId, follower] of followers) {
      const { lines, dropped } = follower;
      if (lines.length + dropped > 0) send({ followId, lines, dropped });
      Object.assign(follower, { lines: [], bytes: 0, dropped: 0 });
    }
  }

  function schedule(): void {
    timer ??= setTimeout(flush, sendMs);
  }

  return {
    follow(followId, app) {
      if (followers.size >= maxFollowers) {
        throw new TenantdError('TENANTD_E_INVALID_REQUEST', `${maxFollowers} readers follow these logs already`, 'end one of them');
      }
      followers.set(followId, { app, lines: [], bytes: 0, dropped: 0 });
    },
    unfollow: (followId) => void followers.delete(followId),
    offer(line) {
      for (const follower of followers.values()) {
        if (follower.app !== undefined && follower.app !== line.app) continue;
        keep(follower, line);
        schedule();
      }
    },
    clear: () => followers.clear(),
  };
}

function keep(follower: Follower, line: LogLine): void {
  // Escaped, a character takes up to six bytes: `\u001b`.
  const bytes = 6 * line.line.length + 150;
  if (follower.lines.length >= maxLines || follower.bytes + bytes > maxBytes) {
    follower.dropped += 1;
    return;
  }
  follower.lines.push(line);
  follower.bytes += bytes;
}
