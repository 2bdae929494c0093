/** Between `tenantctl` and the daemon: a tenant's life, from `create` to `remove`. */
import { z } from 'zod';
import { name } from './call-values.ts';
import type { TenantState } from './control.ts';

const reason = z.string().min(1).max(500);

export const tenantCalls = {
  /** Result: TenantListResult. */
  'tenant-list': z.strictObject({ tenant: name.optional() }),
  /**
   * Result: TenantCreateResult, once its apps serve, or without one once it is in service; `tenant-progress` notifications (TenantProgressEvent)
   * before. The name is checked by the daemon, as the domains are.
   */
  'tenant-create': z.strictObject({
    tenant: z.string().min(1).max(1_024),
    domains: z.array(z.string().min(1).max(1_024)).min(1).max(1_000),
    plan: z.string().min(1).max(256).optional(),
    template: z.string().min(1).max(256).optional(),
    /** What the template asks for. */
    set: z.record(z.string().min(1).max(64), z.string().max(4_096)).optional(),
  }),
  /** Result: TenantMarkResult, when nothing of it runs any more. */
  'tenant-suspend': z.strictObject({ tenant: name, reason: reason.optional() }),
  /** Result: TenantMarkResult, when it is in service. Takes back a removal, else a suspension. */
  'tenant-resume': z.strictObject({ tenant: name }),
  /** Result: TenantMarkResult, when it is out of service; with `now`, when nothing of it is left, after `tenant-progress` notifications. */
  'tenant-remove': z.strictObject({ tenant: name, now: z.boolean() }),
};

/** What an operator made of a tenant. */
export interface TenantMark {
  /** `starting`: it is being restored. */
  state: 'suspended' | 'removing' | 'starting';
  since: string;
  by: string;
  reason?: string;
  /** Until when its data is kept; absent while it is suspended, and once it is being purged. */
  until?: string;
}

export interface TenantListEntry {
  name: string;
  state: TenantState;
  since: string;
  plan: string;
  domains: number;
  /** Of the machine's disk: what its image, or folder, takes. */
  diskBytes: number;
  mark?: TenantMark;
}

export interface TenantListResult {
  tenants: TenantListEntry[];
}

export interface TenantCreateResult {
  tenant: string;
  /** Its folder. */
  folder: string;
  domains: string[];
  plan: string;
  urls: string[];
  /** From the request to the answer, in the daemon. */
  tookMs: number;
}

export interface TenantMarkResult {
  tenant: string;
  /** Absent: it is removed, or in service again. */
  mark?: TenantMark;
}

export interface TenantProgressEvent {
  /** What is done now. */
  doing: string;
}
