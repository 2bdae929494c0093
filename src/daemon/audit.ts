import { createHash } from 'node:crypto';

/** One change: who did what to which tenant ('' for the daemon itself), from what, to what, and how it ended. Never a secret. */
export interface AuditEntry {
  tenant: string;
  /** ISO 8601, UTC. */
  time: string;
  actor: string;
  action: string;
  /** JSON. */
  before: string;
  after: string;
  outcome: string;
}

export interface AuditRecord extends AuditEntry {
  /** From 1 on, without gaps. */
  sequence: number;
  previousHash: string;
  /** SHA-256, in hex, over the previous record's hash and every field of this one. */
  hash: string;
}

export function sealEntry(entry: AuditEntry, sequence: number, previousHash: string): AuditRecord {
  return { ...entry, sequence, previousHash, hash: hashOf(entry, sequence, previousHash) };
}

/** An edited, missing, added or moved record breaks the chain. (Cutting off its end does not: that takes an anchor elsewhere.) */
export function isValidChain(records: readonly AuditRecord[]): boolean {
  return records.every((record, index) => {
    const previousHash = index === 0 ? '' : records[index - 1]?.hash;
    return (
      record.sequence === index + 1 &&
      record.previousHash === previousHash &&
      record.hash === hashOf(record, record.sequence, record.previousHash)
    );
  });
}

function hashOf(entry: AuditEntry, sequence: number, previousHash: string): string {
  const { tenant, time, actor, action, before, after, outcome } = entry;
  // JSON keeps the fields apart: no two different records give the same text.
  const text = JSON.stringify([sequence, previousHash, tenant, time, actor, action, before, after, outcome]);
  return createHash('sha256').update(text).digest('hex');
}
