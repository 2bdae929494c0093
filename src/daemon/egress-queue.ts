import type { OpenAddress } from '../privileged/egress-rules.ts';
import type { createTurns } from './in-turn.ts';

export interface TenantOpening {
  tenant: string;
  addresses: OpenAddress[];
}

interface Waiting {
  opening: TenantOpening;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Opens addresses: all that came while others were opened go together. The resolver bounds how many wait.
 *
 * Invariant: one that can't be opened is the failure of its asker alone.
 */
export function createEgressQueue(
  open: (openings: readonly TenantOpening[]) => Promise<void>,
  inTurn: ReturnType<typeof createTurns>,
): { add: (opening: TenantOpening) => Promise<void> } {
  let waiting: Waiting[] = [];

  async function openWaiting(): Promise<void> {
    const taken = waiting;
    waiting = [];
    try {
      await open(taken.map(({ opening }) => opening));
      for (const { resolve } of taken) resolve();
    } catch (error) {
      if (taken.length === 1) taken[0]?.reject(error);
      else for (const { opening, resolve, reject } of taken) await open([opening]).then(resolve, reject);
    }
  }

  return {
    add(opening) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      waiting.push({ opening, resolve, reject });
      // Whoever finds others waiting goes with them.
      if (waiting.length === 1) void inTurn(openWaiting);
      return promise;
    },
  };
}
