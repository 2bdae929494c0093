import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { AuditHeadResult } from '../protocol/audit-calls.ts';
import { AuditChain, type AuditFault, type AuditHead, type AuditRecord } from '../protocol/audit-chain.ts';
import type { Channel } from '../protocol/channel.ts';
import { readTrail } from './audit-pages.ts';

export interface AuditVerdict {
  ok: boolean;
  /** Records that are as they were written. */
  records: number;
  /** The first of them; 1 for a whole trail. */
  first?: number;
  head?: AuditHead;
  /** The first bad record, and what is wrong with it. */
  fault?: AuditFault;
  /** Where the daemon found that the end had been cut off, and where a copy or a backup took the trail's place. */
  cuts: AuditRecord[];
  restored: AuditRecord[];
}

/** The trail of the daemon, and its end against the last record that was kept apart. `onRecord` counts. */
export async function verifyTrail(channel: Channel, onRecord: () => void): Promise<AuditVerdict> {
  const { kept } = (await channel.request('audit-head', {})) as AuditHeadResult;
  const verifier = new Verifier(1, kept);
  for await (const record of readTrail(channel, {}, 'oldest')) {
    onRecord();
    if (!verifier.add(record as AuditRecord)) break;
  }
  return verifier.end();
}

/** What `audit --export` wrote. It may begin later than the trail. */
export async function verifyFile(file: string, onRecord: () => void): Promise<AuditVerdict> {
  const verifier = new Verifier(undefined, undefined);
  const input = createReadStream(file);
  try {
    let number = 0;
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      number += 1;
      onRecord();
      if (!verifier.add(parseRecord(line, number))) break;
    }
  } catch (error) {
    if (error instanceof TenantdError) throw error;
    throw new TenantdError('TENANTD_E_FILE_UNREADABLE', `${file} can not be read: ${messageOf(error)}`, 'name a file of audit --export');
  } finally {
    input.destroy();
  }
  return verifier.end();
}

class Verifier {
  private readonly verdict: AuditVerdict = { ok: true, records: 0, cuts: [], restored: [] };
  private readonly chain: AuditChain;
  /** Is to be in the chain. */
  private kept: AuditHead | undefined;

  constructor(first: number | undefined, kept: AuditHead | undefined) {
    this.chain = new AuditChain(first);
    this.kept = kept;
  }

  /** False once there is a fault. */
  add(record: AuditRecord): boolean {
    const { verdict, kept } = this;
    const fault = this.chain.add(record);
    if (fault) return this.fail(fault);
    verdict.first ??= record.sequence;
    verdict.records += 1;
    if (record.actor === 'tenantd' && record.action === 'audit-cut') verdict.cuts.push(record);
    if (record.actor === 'tenantd' && record.action === 'state-restored') verdict.restored.push(record);
    if (kept?.sequence !== record.sequence) return true;
    this.kept = undefined;
    return (
      kept.hash === record.hash ||
      this.fail({ sequence: record.sequence, what: 'it is another one than was written last: the end of the trail was replaced' })
    );
  }

  end(): AuditVerdict {
    const { verdict, kept } = this;
    const { head } = this.chain;
    if (!verdict.fault && kept) {
      const lost = kept.sequence - (head?.sequence ?? 0);
      this.fail({
        sequence: kept.sequence,
        what: `it is missing, and was the last that was written: the last ${lost} records were cut off, or an older trail was put in place`,
      });
    }
    if (verdict.cuts.length > 0) verdict.ok = false;
    return { ...verdict, ...(head && { head }) };
  }

  private fail(fault: AuditFault): boolean {
    Object.assign(this.verdict, { ok: false, fault });
    return false;
  }
}

function parseRecord(line: string, number: number): AuditRecord {
  const record = parseJson(line);
  const isRecord =
    typeof record === 'object' &&
    record !== null &&
    ['tenant', 'time', 'actor', 'action', 'before', 'after', 'outcome', 'previousHash', 'hash'].every(
      (key) => typeof (record as Record<string, unknown>)[key] === 'string',
    ) &&
    Number.isSafeInteger((record as AuditRecord).sequence);
  if (isRecord) return record as AuditRecord;
  throw new TenantdError(
    'TENANTD_E_AUDIT',
    `line ${number} is no whole record: it was cut, edited, or is of a token's export`,
    'export the trail again, as the operator',
  );
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
