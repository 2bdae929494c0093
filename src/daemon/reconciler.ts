import { messageOf } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';

/** What is moved on, one step at a time; false when there is no step now. */
export interface Advancing {
  advance(): Promise<boolean>;
}

/**
 * Moves tenants towards what is wanted of them.
 *
 * Invariants:
 * - One tenant is advanced by one loop at a time; a request that comes while it runs makes it look once more.
 * - At most `concurrency` steps that do work run at once; the others wait in order, so that none starves. What waits for long is no work.
 */
export interface Reconciler {
  request(tenant: TenantName): void;
  /** For what a step of this tenant only waits, for as long as its host or its apps like: if that is long, others have its turn. */
  outOfTurn<Result>(tenant: TenantName, waiting: Promise<Result>): Promise<Result>;
  /** Resolves when nothing runs or waits. */
  idle(): Promise<void>;
  stop(): void;
}

/** A tenant whose steps never come to an end is a fault of ours; it must not take the machine with it. */
const mostStepsInARow = 100;
/** Most answer sooner: then a thousand that fall asleep together do not do it all at once. */
const patienceMs = 250;

export function createReconciler(options: {
  find: (tenant: TenantName) => Advancing | undefined;
  concurrency: number;
  log: Log;
  /** It was moved on as far as it goes now. */
  onRest?: (tenant: TenantName) => void;
}): Reconciler {
  const waiting = new Set<TenantName>();
  const running = new Set<TenantName>();
  /** Of these. */
  const outside = new Set<TenantName>();
  const idleWaiters: (() => void)[] = [];
  let stopped = false;

  function startMore(): void {
    for (const tenant of waiting) {
      if (stopped || running.size - outside.size >= options.concurrency) return;
      if (running.has(tenant)) continue;
      waiting.delete(tenant);
      running.add(tenant);
      void run(tenant);
    }
    if (running.size === 0) for (const resolve of idleWaiters.splice(0)) resolve();
  }

  async function run(tenant: TenantName): Promise<void> {
    try {
      await takeSteps(tenant);
    } catch (error) {
      options.log.error({ tenant, error: messageOf(error) }, 'a tenant could not be moved on');
    } finally {
      running.delete(tenant);
      options.onRest?.(tenant);
      startMore();
    }
  }

  async function takeSteps(tenant: TenantName): Promise<void> {
    for (let steps = 0; steps < mostStepsInARow; steps++) {
      if (stopped || !(await options.find(tenant)?.advance())) return;
    }
    throw new Error(`${mostStepsInARow} steps in a row`);
  }

  return {
    request(tenant) {
      if (stopped) return;
      waiting.add(tenant);
      queueMicrotask(startMore);
    },
    async outOfTurn(tenant, waiting) {
      const timer = setTimeout(() => {
        outside.add(tenant);
        startMore();
      }, patienceMs);
      try {
        return await waiting;
      } finally {
        clearTimeout(timer);
        outside.delete(tenant);
      }
    },
    idle: () =>
      new Promise((resolve) => {
        idleWaiters.push(resolve);
        queueMicrotask(startMore);
      }),
    stop() {
      stopped = true;
      waiting.clear();
    },
  };
}
