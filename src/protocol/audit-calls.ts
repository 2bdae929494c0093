/** The audit trail, as `tenantctl audit` reads it. */
import { z } from 'zod';
import { name } from './call-values.ts';
import type { AuditEntry, AuditHead, AuditRecord } from './audit-chain.ts';

const words = z.string().min(1).max(256);
const time = z.iso.datetime();

export const mostAuditRecords = 500;

export const auditCalls = {
  /** Result: AuditListResult: those that fit all of it, in the order that is asked for. With `next`, ask again with `from: next`. */
  'audit-list': z.strictObject({
    tenant: name.optional(),
    actor: words.optional(),
    action: words.optional(),
    since: time.optional(),
    until: time.optional(),
    order: z.enum(['oldest', 'newest']),
    /** Beyond this sequence, in that order. */
    from: z.number().int().nonnegative().optional(),
    limit: z.number().int().min(1).max(mostAuditRecords),
  }),
  /** Result: AuditHeadResult. */
  'audit-head': z.strictObject({}),
};

export interface AuditListResult {
  /** Without hashes for whoever sees one tenant only: they are over records of all. */
  records: (AuditRecord | (AuditEntry & Pick<AuditRecord, 'sequence'>))[];
  /** There may be more; also when no record came. */
  next?: number;
}

export interface AuditHeadResult {
  /** Of the trail as it is; absent when there is no record. */
  head?: AuditHead;
  /** Of the last record that was written, kept apart from the trail. */
  kept?: AuditHead;
}
