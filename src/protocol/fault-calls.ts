/** Who hit which limit, and what failed: `tenantctl faults`. */
import { z } from 'zod';
import type { RequestLimitName } from './edge.ts';

/** Limits of the plan by their keys there; and what is no limit, but failed. */
export type FaultKind =
  | ('memory' | 'processes' | 'cpu' | 'disk' | 'files' | RequestLimitName)
  | ('egress' | 'crash' | 'quarantine' | 'hang' | 'schedule' | 'release' | 'stall');

export const mostFaults = 1_000;

export const faultCalls = {
  /** Result: FaultsResult. `sinceMs`: Unix time; those that ended, or went on, after it. */
  faults: z.strictObject({
    tenant: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,31}$/, 'a name is [a-z][a-z0-9-]{0,31}')
      .optional(),
    sinceMs: z.number().int().nonnegative().optional(),
    most: z.number().int().min(1).max(mostFaults),
  }),
};

/** Processes of one name in one sandbox. */
export interface FaultProcess {
  /** As the program calls itself: the tenant's words. */
  name: string;
  /** Absent: the tenant's host, a shell, a job. */
  app?: string;
  count: number;
  /** Where there is one. */
  pid?: number;
  memoryBytes: number;
  /** Since each began. */
  cpuSeconds?: number;
  /** The kernel ended them; else they were there when it was seen. */
  killed?: true;
}

/** The same again, with less than ten minutes in between, is one. */
export interface FaultInfo {
  tenant: string;
  app?: string;
  kind: FaultKind;
  firstAt: string;
  lastAt: string;
  count: number;
  /** One line: the limit, or what happened. Of the last time. */
  detail: string;
  /** Of the last time, the largest first. */
  processes?: FaultProcess[];
}

export interface FaultsResult {
  /** The newest first. */
  faults: FaultInfo[];
}
