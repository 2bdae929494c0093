/** What tenants used, by the hour: between `tenantctl` and the daemon. */
import { z } from 'zod';
import { name } from './call-values.ts';

export const usageCalls = {
  /** Result: UsageResult. With `next`, ask again with `after: next`. */
  usage: z.strictObject({
    tenant: name.optional(),
    /** In UTC. Default: the present one. */
    month: z
      .string()
      .regex(/^(19[7-9]\d|[2-9]\d{3})-(0[1-9]|1[0-2])$/, 'a month is YYYY-MM')
      .optional(),
    by: z.enum(['month', 'day', 'hour']),
    byApp: z.boolean(),
    after: z.strictObject({ tenant: name, rows: z.number().int().nonnegative() }).optional(),
  }),
  /** Result: MetricsSnapshot (metrics.ts). */
  metrics: z.strictObject({}),
};

/** The figures of one row. README, "Usage, and what to bill", says what each of them counts. */
export interface UsageFigures {
  requests: number;
  bytesIn: number;
  bytesOut: number;
  cpuSeconds: number;
  memoryGibHours: number;
  diskGibHours: number;
  egressBytesOut: number;
  egressBytesIn: number;
}

export const usageFigureNames = [
  ...(['requests', 'bytesIn', 'bytesOut', 'cpuSeconds', 'memoryGibHours', 'diskGibHours', 'egressBytesOut', 'egressBytesIn'] as const),
];

export const noUsage: UsageFigures = {
  ...{ requests: 0, bytesIn: 0, bytesOut: 0, cpuSeconds: 0, memoryGibHours: 0, diskGibHours: 0, egressBytesOut: 0, egressBytesIn: 0 },
};

export interface UsageRow extends UsageFigures {
  tenant: string;
  /** With `byApp`; '' for what is the tenant's and no app's. */
  app?: string;
  /** ISO 8601, UTC; `to` is the first moment that does not belong to it. */
  from: string;
  to: string;
}

export interface UsageResult {
  month: string;
  /** In order of tenant, time, app. */
  rows: UsageRow[];
  next?: { tenant: string; rows: number };
}
