import type { createTurns } from './in-turn.ts';

interface Waiting<Request> {
  request: Request;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Carries out requests: all that came while others were carried out go together. The resolver bounds how many wait.
 *
 * Invariant: one that fails is the failure of its asker alone.
 */
export function createEgressQueue<Request>(
  carryOut: (requests: readonly Request[]) => Promise<void>,
  inTurn: ReturnType<typeof createTurns>,
): { add: (request: Request) => Promise<void> } {
  let waiting: Waiting<Request>[] = [];

  async function carryOutWaiting(): Promise<void> {
    const taken = waiting;
    waiting = [];
    try {
      await carryOut(taken.map(({ request }) => request));
      for (const { resolve } of taken) resolve();
    } catch (error) {
      if (taken.length === 1) taken[0]?.reject(error);
      else for (const { request, resolve, reject } of taken) await carryOut([request]).then(resolve, reject);
    }
  }

  return {
    add(request) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      waiting.push({ request, resolve, reject });
      // Whoever finds others waiting goes with them.
      if (waiting.length === 1) void inTurn(carryOutWaiting);
      return promise;
    },
  };
}
