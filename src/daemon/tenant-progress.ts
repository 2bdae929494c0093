import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { Problem } from '../base/problem.ts';
import { mebibytes } from './fault-words.ts';
import { type ActualTenant, nextStep } from './plan.ts';
import type { StepParts } from './tenant-steps.ts';
import { createSteps, executeStep } from './tenant-steps.ts';

/** Takes a tenant from what is there to what is wanted, a step at a time, and remembers what went wrong. */
export interface TenantProgress {
  /** Takes the next step; false when there is none now. */
  readonly advance: () => Promise<boolean>;
  readonly isGone: () => boolean;
  /** Before any step: from what is stored. */
  publishRoutes(): void;
  /** All steps down but its routes', then up again. False while that is under way. */
  remount(): boolean;
  note(what: string, problem: Problem): void;
  /** What went wrong does not any more. */
  forget(what: string): void;
  problems(): Problem[];
}

export type TenantProgressParts = Omit<StepParts, 'noteLimits'> & {
  /** A step was taken, or failed. */
  onStep: () => void;
};

const retryPolicy: BackoffPolicy = { firstMs: 1_000, maxMs: 60_000, healthyMs: 0 };

export function createTenantProgress({ onStep, ...parts }: TenantProgressParts): TenantProgress {
  const { context, name, actual, picture, host, service, wanted } = parts;
  const steps = createSteps({ ...parts, noteLimits });
  const problems = new Map<string, Problem>();
  let failedSteps = 0;
  let remounting = false;

  function observe(): ActualTenant {
    // What is taken down to come back keeps its routes.
    const kept = remounting && picture.desired() && { routesKey: '' };
    const sessions = context.sessions.countOf(name);
    return { ...actual, ...kept, host: host.state(), hostAppsDirId: host.appsDirId(), workers: service.workers.all().length, sessions };
  }

  async function advance(): Promise<boolean> {
    if (!actual.leftovers) remounting = false;
    const step = nextStep(context.layers.blocking || remounting ? undefined : wanted(), observe());
    if (!step && !picture.desired()) context.onGone(name);
    if (!step) return false;
    try {
      await executeStep(steps, step);
      problems.delete(step.do);
      failedSteps = 0;
      return true;
    } catch (error) {
      const problem = toProblem(error);
      problems.set(step.do, problem);
      context.log.error({ tenant: name, step: step.do, code: problem.code }, problem.message);
      tryAgainLater();
      return false;
    } finally {
      onStep();
    }
  }

  function noteLimits(inForce: boolean): void {
    problems.delete('limits');
    if (inForce) return;
    const { memoryBytes } = picture.limits();
    const message = `holds more memory than the ${mebibytes(memoryBytes)} that its plan has now: the limit before stays until it fits`;
    const fix = `nothing is ended for it; it is tried again all the time. tenantctl app restart, for the app that holds most`;
    problems.set('limits', { code: 'TENANTD_E_LIMIT_WAITS', message, fix });
    setTimeout(() => {
      actual.limitsKey = '';
      context.requestReconcile(name);
    }, retryPolicy.firstMs).unref();
  }

  function tryAgainLater(): void {
    failedSteps += 1;
    setTimeout(() => context.requestReconcile(name), backoffDelayMs(retryPolicy, failedSteps)).unref();
  }

  return {
    advance,
    isGone: () => !picture.desired() && nextStep(undefined, observe()) === undefined,
    publishRoutes: () => void steps['publish-routes']({ do: 'publish-routes' }),
    remount() {
      if (remounting) return false;
      remounting = true;
      return true;
    },
    note: (what, problem) => void problems.set(what, problem),
    forget: (what) => void problems.delete(what),
    problems: () => [...problems.values()],
  };
}

export function toProblem(error: unknown): Problem {
  if (error instanceof TenantdError) return { code: error.code, message: error.message, fix: error.fix };
  return { code: 'TENANTD_E_INTERNAL', message: messageOf(error), fix: 'see the log of the daemon' };
}
