import { z } from 'zod';
import { sizeBetween, wholeNumber } from './values.ts';

export interface Plan {
  memoryBytes: number;
  /** Cores: 0.5 is half of one. */
  cpu: number;
  /** Threads count as processes (cgroup's pids.max). */
  processes: number;
  diskBytes: number;
  requestsPerSecond: number;
  concurrentRequests: number;
  bodySizeBytes: number;
}

const fields = {
  memory: sizeBetween('16M', '64T', 'Memory of all processes of a tenant'),
  cpu: z.number().min(0.01).max(4_096).meta({ description: 'Processor time, in cores' }),
  processes: wholeNumber(16, 1_000_000, 'Processes and threads of a tenant; one Node process has about 11'),
  disk: sizeBetween('1M', '1024T', 'Disk space of a tenant'),
  requestsPerSecond: wholeNumber(1, 10_000_000, 'Requests a second'),
  concurrentRequests: wholeNumber(1, 1_000_000, 'Requests at the same time'),
  bodySize: sizeBetween('0', '1T', 'The largest request body'),
};

export const planSchema = z
  .strictObject({
    memory: fields.memory.prefault('256M'),
    cpu: fields.cpu.prefault(0.5),
    processes: fields.processes.prefault(128),
    disk: fields.disk.prefault('1G'),
    requestsPerSecond: fields.requestsPerSecond.prefault(50),
    concurrentRequests: fields.concurrentRequests.prefault(64),
    bodySize: fields.bodySize.prefault('25M'),
  })
  .transform((plan): Plan => ({
    memoryBytes: plan.memory,
    cpu: plan.cpu,
    processes: plan.processes,
    diskBytes: plan.disk,
    requestsPerSecond: plan.requestsPerSecond,
    concurrentRequests: plan.concurrentRequests,
    bodySizeBytes: plan.bodySize,
  }))
  .meta({ description: 'What a tenant of this plan may use; what is not given is as in `starter`' });

/** Used when tenantd.yaml has no plans. */
export const starterPlan: Plan = planSchema.parse({});

export const limitsSchema = z.strictObject(fields).partial().meta({ description: 'Over the plan: what is given here counts instead' });

export type Limits = z.infer<typeof limitsSchema>;

export function applyLimits(plan: Plan, limits: Limits): Plan {
  return {
    memoryBytes: limits.memory ?? plan.memoryBytes,
    cpu: limits.cpu ?? plan.cpu,
    processes: limits.processes ?? plan.processes,
    diskBytes: limits.disk ?? plan.diskBytes,
    requestsPerSecond: limits.requestsPerSecond ?? plan.requestsPerSecond,
    concurrentRequests: limits.concurrentRequests ?? plan.concurrentRequests,
    bodySizeBytes: limits.bodySize ?? plan.bodySizeBytes,
  };
}
