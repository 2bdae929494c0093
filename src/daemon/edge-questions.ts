import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { EdgeRequests } from '../protocol/edge.ts';
import type { EdgeMaster } from './edge-master.ts';
import type { EdgeMasters } from './edge-masters.ts';

/** What the daemon asks of the edges, over whatever connection there is. */
export interface EdgeQuestions {
  /** Answered when every edge has it. */
  passChallenge: <Method extends 'set-challenge' | 'remove-challenge'>(
    method: Method,
    params: EdgeRequests[Method]['params'],
  ) => Promise<null>;
  /** True when nothing is open at the upstream any more (also when there is no edge). */
  drainUpstream: (id: string, timeoutMs: number) => Promise<boolean>;
  /** Whether all edges agreed, and hold its next request from then on. They have to be told afterwards how it is, either way. */
  maySleep: (tenant: TenantName, app: AppName) => Promise<boolean>;
}

const challengeTimeLimitMs = 10_000;
const connectTimeLimitMs = 5_000;
/** The master gives its edges less. */
const sleepTimeLimitMs = 5_000;

const drained = z.object({ drained: z.boolean() });
const asleep = z.object({ asleep: z.boolean() });

async function endsWithin({ sandbox }: EdgeMaster, timeoutMs: number): Promise<boolean> {
  const late = new AbortController();
  try {
    return await Promise.race([sandbox?.exited.then(() => true) ?? true, delay(timeoutMs, false, { signal: late.signal })]);
  } finally {
    late.abort();
  }
}

export interface EdgeQuestionsParts {
  /** Every one at which something may be open, old ones included. */
  masters: Pick<EdgeMasters, 'all' | 'isStopping'>;
  log: Log;
}

export function createEdgeQuestions({ masters, log }: EdgeQuestionsParts): EdgeQuestions {
  /** One that starts, and has heard nothing yet, sends nobody anywhere. */
  const sending = (): EdgeMaster[] => masters.all().filter(({ role, isTold }) => role.phase !== 'starting' || isTold);

  /** One that runs but is not connected at the moment is waited for; with one that ends, whatever was open there has ended. */
  async function drainAt(master: EdgeMaster, id: string, timeoutMs: number): Promise<boolean> {
    // It lets go of all that is open. A question that it does not live to read would break the connection, and its last answer be lost.
    if (masters.isStopping) return endsWithin(master, timeoutMs);
    try {
      const channel = await master.connected(Math.min(timeoutMs, connectTimeLimitMs));
      return drained.parse(await channel.request('drain-upstream', { id, timeoutMs }, timeoutMs + 2_000)).drained;
    } catch (error) {
      if (masters.isStopping || !masters.all().includes(master)) return true;
      log.warn({ upstream: id, error: messageOf(error) }, 'the edge did not tell when an upstream was drained');
      return false;
    }
  }

  async function maySleepAt({ channel }: EdgeMaster, tenant: TenantName, app: AppName): Promise<boolean> {
    try {
      return asleep.parse(await channel?.request('let-sleep', { tenant, app }, sleepTimeLimitMs)).asleep;
    } catch (error) {
      if (!masters.isStopping) log.warn({ tenant, app, error: messageOf(error) }, 'the edge did not tell whether an app may sleep');
      return false;
    }
  }

  return {
    async passChallenge(method, params) {
      const accepting = masters.all().flatMap(({ channel, role }) => (channel && role.phase !== 'retiring' ? [channel] : []));
      if (accepting.length === 0) throw new TenantdError('TENANTD_E_UNREACHABLE', 'the edge is not connected', 'try again');
      await Promise.all(accepting.map((channel) => channel.request(method, params, challengeTimeLimitMs)));
      return null;
    },
    async drainUpstream(id, timeoutMs) {
      const answers = await Promise.all(sending().map((master) => drainAt(master, id, timeoutMs)));
      return answers.every(Boolean);
    },
    async maySleep(tenant, app) {
      const answers = await Promise.all(sending().map((master) => maySleepAt(master, tenant, app)));
      return answers.length > 0 && answers.every(Boolean);
    },
  };
}
