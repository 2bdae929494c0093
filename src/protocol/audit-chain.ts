import { hash as digest } from 'node:crypto';

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

/** Which record, and its hash: with it, all before it are told. */
export interface AuditHead {
  sequence: number;
  hash: string;
}

export interface AuditRecord extends AuditEntry, AuditHead {
  /** From 1 on, without gaps. */
  sequence: number;
  previousHash: string;
  /** SHA-256, in hex, over the previous record's hash and every field of this one. */
  hash: string;
}

/** The first record that is not as it was written, and what is wrong with it. */
export interface AuditFault {
  sequence: number;
  what: string;
}

export function sealEntry(entry: AuditEntry, sequence: number, previousHash: string): AuditRecord {
  return { ...entry, sequence, previousHash, hash: hashOf(entry, sequence, previousHash) };
}

/**
 * Follows the chain record by record. An edited, missing, added or moved record breaks it. Cutting off its end does not: for that, compare
 * the head with one that is kept elsewhere.
 */
export class AuditChain {
  private last: AuditHead | undefined;
  private expected: number | undefined;

  /** `first`: what it has to begin with; undefined for a part of a trail. */
  constructor(first: number | undefined) {
    this.expected = first;
  }

  /** The last record that was added. */
  get head(): AuditHead | undefined {
    return this.last;
  }

  /** Undefined for one that follows as it should. After a fault, nothing is to be added. */
  add(record: AuditRecord): AuditFault | undefined {
    const { sequence } = record;
    const what = this.placeFault(sequence) ?? this.contentFault(record);
    if (what !== undefined) return { sequence, what };
    this.last = { sequence, hash: record.hash };
    this.expected = sequence + 1;
    return undefined;
  }

  private placeFault(sequence: number): string | undefined {
    const { expected } = this;
    if (expected === undefined || sequence === expected) return undefined;
    if (sequence < expected) return `it stands behind record ${expected - 1}: it was added, or moved`;
    return sequence === expected + 1
      ? `record ${expected} before it is missing`
      : `records ${expected} to ${sequence - 1} before it are missing`;
  }

  private contentFault(record: AuditRecord): string | undefined {
    if (record.hash !== hashOf(record, record.sequence, record.previousHash)) return 'it was edited: its hash does not fit what it says';
    const previousHash = this.last?.hash ?? (record.sequence === 1 ? '' : record.previousHash);
    return record.previousHash === previousHash
      ? undefined
      : 'it was written after another record than the one before it: one of both was replaced';
  }
}

function hashOf(entry: AuditEntry, sequence: number, previousHash: string): string {
  const { tenant, time, actor, action, before, after, outcome } = entry;
  // JSON keeps the fields apart: no two different records give the same text.
  return digest('sha256', JSON.stringify([sequence, previousHash, tenant, time, actor, action, before, after, outcome]));
}
