/** Plans, and what of them counts for a tenant: `tenantctl plan`. */
import { z } from 'zod';

export const planCalls = {
  /** Result: PlanListResult. */
  'plan-list': z.strictObject({}),
  /** Result: PlanShowResult: of one tenant. */
  'plan-show': z.strictObject({ tenant: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'a name is [a-z][a-z0-9-]{0,31}') }),
};

/** By the keys of tenantd.yaml: sizes in bytes, times in ms, `cpu` in cores. 0: none, where the plan says so. */
export type PlanLimits = Record<string, number>;

export interface PlanInfo {
  name: string;
  isDefault: boolean;
  limits: PlanLimits;
  /** That have it, in order. */
  tenants: string[];
}

export interface PlanListResult {
  plans: PlanInfo[];
}

export interface LimitInfo {
  key: string;
  plan: number;
  /** In its tenant.yaml, over the plan. */
  own?: number;
  /** What the kernel holds it to now; absent where it sleeps, and for what the edge keeps. */
  now?: number;
  /** Where that was read. */
  source?: string;
  used?: number;
}

/** What an app's workers were started with, which is theirs until they end. */
export interface WorkerSize {
  app: string;
  pid: number;
  heapMegabytes: number;
  tmpBytes: number;
  /** As new workers get it. */
  wanted: { heapMegabytes: number; tmpBytes: number };
}

export interface PlanShowResult {
  tenant: string;
  plan: string;
  limits: LimitInfo[];
  workers: WorkerSize[];
}
