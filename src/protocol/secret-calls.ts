/** Secrets: between `tenantctl` and the daemon. */
import { z } from 'zod';
import type { Problem } from '../base/problem.ts';
import { name } from './call-values.ts';

/** Without an app: for all apps of the tenant. The name is checked by the daemon. */
const secretRef = z.strictObject({ tenant: name, app: name.optional(), name: z.string().max(1_024), wait: z.boolean() });

export const secretCalls = {
  /** Result: SecretChangeResult. With `wait`, answered when new workers serve with it, and refused when they fail: it is set all the same. */
  'secret-set': secretRef.extend({ value: z.string() }),
  /** As `secret-set`. */
  'secret-remove': secretRef,
  /** Result: SecretListResult. With an app: those that its workers get. */
  'secret-list': z.strictObject({ tenant: name, app: name.optional() }),
  /** Result: SecretRotateResult. New data keys: of one tenant, or of each. */
  'secret-rotate': z.strictObject({ tenant: name.optional() }),
  /** Result: MachineKeyRotateResult. */
  'machine-key-rotate': z.strictObject({}),
};

export interface SecretChangeResult {
  /** Whose workers are replaced by it. */
  apps: string[];
  /** Their new workers serve. */
  waited: boolean;
  /** The tenant has no such app: a mistake, or one that is to come. */
  appIsMissing?: true;
}

export interface SecretInfo {
  /** Absent: for all apps of the tenant. */
  app?: string;
  name: string;
  setAt: string;
  setBy: string;
  /** Of the tenant's data key that it is sealed with. */
  keyVersion: number;
}

export interface SecretListResult {
  secrets: SecretInfo[];
  /** Why they can not be opened. */
  problems: Problem[];
}

export interface SecretRotateResult {
  /** That have secrets, and how many. */
  tenants: { tenant: string; secrets: number }[];
}

export interface MachineKeyRotateResult {
  /** How many have secrets. */
  tenants: number;
}
