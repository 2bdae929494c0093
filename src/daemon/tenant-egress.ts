import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import type { TenantConfig } from '../config/tenant-config.ts';
import type { LaunchOptions } from '../privileged/sandboxes.ts';
import type { Egress } from './egress.ts';

/** One tenant's way out. Its apps run without what can't be opened: who asks one for something that it needs hears of it. */
export interface TenantEgress {
  set(network: LaunchOptions['network'], targets: TenantConfig['egress']): Promise<void>;
  problems(): Problem[];
}

const retryPolicy: BackoffPolicy = { firstMs: 1_000, maxMs: 60_000, healthyMs: 0 };

/** `onRetry`: it is time to set it again. */
export function createTenantEgress(egress: Egress, tenant: TenantName, log: Log, onRetry: () => void): TenantEgress {
  let problem: Problem | undefined;
  let failures = 0;

  async function open(network: LaunchOptions['network'], targets: TenantConfig['egress']): Promise<void> {
    if (targets.length === 0) return egress.remove(tenant);
    // Where the operator does without that layer, it has the machine's network anyway.
    if (typeof network === 'object') await egress.set(tenant, network, targets);
  }

  function note(error: unknown): void {
    problem = toProblem(error);
    if (failures === 0) log.error({ tenant, code: problem.code }, problem.message);
    failures += 1;
    setTimeout(onRetry, backoffDelayMs(retryPolicy, failures)).unref();
  }

  return {
    async set(network, targets) {
      try {
        await open(network, targets);
        problem = undefined;
        failures = 0;
      } catch (error) {
        note(error);
      }
    },
    problems: () => (problem ? [problem] : []),
  };
}

function toProblem(error: unknown): Problem {
  if (error instanceof TenantdError) return { code: error.code, message: error.message, fix: error.fix };
  return { code: 'TENANTD_E_INTERNAL', message: messageOf(error), fix: 'see the log of the daemon' };
}
