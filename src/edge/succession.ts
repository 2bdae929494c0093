import { closeSync } from 'node:fs';
import type { TenantRoutes, EdgeRequests } from '../protocol/edge.ts';
import type { ChallengeMessage, ChallengeRecord } from './challenge-record.ts';
import type { EdgeChildren } from './edge-children.ts';
import type { Gateways } from './gateways.ts';
import type { SharedKeys, SharedKeysState } from './shared-keys.ts';

interface SuccessionParts {
  children: EdgeChildren;
  keys: SharedKeys;
  challenges: ChallengeRecord;
  gateways: Gateways;
  tenants: () => readonly TenantRoutes[];
  listenerFds: readonly number[];
  /** Every edge has ended. */
  onEnded: () => void;
}

/** What one master tells the next, by way of the daemon. */
interface HandedOver {
  keys: SharedKeysState;
  challenges: (ChallengeMessage & { method: 'set-challenge' })['params'][];
}

/** How long an edge may take to stop accepting. One that hangs accepts nothing either. */
const retireAnswerMs = 5_000;

/** How one master takes the place of another: the daemon's requests to both of them. */
export function successionHandlers(parts: SuccessionParts) {
  const { children, keys, challenges, gateways } = parts;
  /** Not twice: the numbers may be of something else by then. */
  const listenerFds = [...parts.listenerFds];

  return {
    'await-accepting': async (params: unknown): Promise<EdgeRequests['await-accepting']['result']> => {
      const { timeoutMs } = params as EdgeRequests['await-accepting']['params'];
      const answers = await children.ask<boolean>('await-accepting', {}, timeoutMs, { ifEnded: false, ifSilent: false });
      return { accepting: answers.length > 0 && answers.every(Boolean) };
    },
    'hand-over': (): EdgeRequests['hand-over']['result'] => {
      const state: HandedOver = { keys: keys.state(), challenges: challenges.state() };
      return { state: JSON.stringify(state) };
    },
    'take-over': (params: unknown): null => {
      const before = JSON.parse((params as EdgeRequests['take-over']['params']).state) as HandedOver;
      keys.take(before.keys);
      for (const challenge of before.challenges) {
        const message: ChallengeMessage = { method: 'set-challenge', params: challenge };
        challenges.record(message);
        children.tell(message);
      }
      return null;
    },
    'take-calls': (): void => gateways.take(parts.tenants),
    retire: async (params: unknown): Promise<null> => {
      const { timeoutMs } = params as EdgeRequests['retire']['params'];
      // The next one has them, and turns them when it is time.
      keys.stop();
      await gateways.retire();
      await children.retire(timeoutMs, retireAnswerMs, parts.onEnded);
      // Else a port that is not wanted any more would hang instead of being refused.
      for (const fd of listenerFds.splice(0)) closeSync(fd);
      return null;
    },
  };
}
