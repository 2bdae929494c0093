import { type AuditListResult, mostAuditRecords } from '../protocol/audit-calls.ts';
import type { Channel } from '../protocol/channel.ts';

export interface AuditFilter {
  tenant?: string;
  actor?: string;
  action?: string;
  since?: string;
  until?: string;
}

export type ShownRecord = AuditListResult['records'][number];

/** Page after page, so that a trail of any length takes little memory. */
export async function* readTrail(
  channel: Channel,
  filter: AuditFilter,
  order: 'oldest' | 'newest',
  limit = mostAuditRecords,
): AsyncGenerator<ShownRecord> {
  for (let from: number | undefined; ;) {
    const params = { ...filter, order, limit: Math.min(limit, mostAuditRecords), ...(from !== undefined && { from }) };
    const page = (await channel.request('audit-list', params)) as AuditListResult;
    yield* page.records;
    if (page.next === undefined) return;
    from = page.next;
  }
}

/** The newest that fit, the oldest of them first. */
export async function readNewestRecords(channel: Channel, filter: AuditFilter, count: number): Promise<ShownRecord[]> {
  const records: ShownRecord[] = [];
  if (count === 0) return records;
  for await (const record of readTrail(channel, filter, 'newest', count)) {
    records.push(record);
    if (records.length === count) break;
  }
  return records.toReversed();
}
