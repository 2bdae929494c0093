import { describe, expect, test } from 'vitest';
import { AuditChain, type AuditEntry, type AuditRecord, sealEntry } from '../../../src/protocol/audit-chain.ts';

const entry: AuditEntry = {
  tenant: 'acme',
  time: '2026-01-02T03:04:05.678Z',
  actor: 'operator',
  action: 'app-stop',
  before: '{"state":"running"}',
  after: '{"state":"stopped"}',
  outcome: 'done',
};

describe('an audit trail', () => {
  test('of nothing, of one and of many records is valid', () => {
    expect([0, 1, 2, 50].map((length) => isValidChain(chainOf(length)))).toEqual([true, true, true, true]);
  });

  test('keeps what was done, numbers it, and names the record before', () => {
    const [first, second] = chainOf(2);
    expect(first).toEqual({ ...entry, action: 'step 1', sequence: 1, previousHash: '', hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(second).toMatchObject({ sequence: 2, previousHash: first?.hash });
  });

  test.each(Object.keys(sealEntry(entry, 1, '')) as (keyof AuditRecord)[])('shows that %s of any record was edited', (field) => {
    const chain = chainOf(4);
    const edited = chain.map((record, at) => chain.with(at, { ...record, [field]: field === 'sequence' ? 99 : `${record[field]}x` }));
    expect(edited.map(isValidChain)).toEqual([false, false, false, false]);
  });

  test('shows that text was moved from one field to the next', () => {
    const [record] = chainOf(1) as [AuditRecord];
    expect(isValidChain([{ ...record, actor: 'operator","step', action: ' 1' }])).toBe(false);
    expect(isValidChain([{ ...record, actor: '', action: `${record.actor}${record.action}` }])).toBe(false);
  });

  test('shows that any record before the last was cut out', () => {
    const chain = chainOf(5);
    const cut = chain.slice(0, -1).map((_, at) => chain.toSpliced(at, 1));
    expect(cut.map(isValidChain)).toEqual([false, false, false, false]);
  });

  test('shows that any two records were swapped, whether or not they were numbered anew', () => {
    const chain = chainOf(4);
    const pairs = chain.flatMap((first, at) => chain.slice(at + 1).map((second) => [first, second] as const));
    const swapped = pairs.map(([first, second]) => chain.with(first.sequence - 1, second).with(second.sequence - 1, first));
    const renumbered = swapped.map((records) => records.map((record, at) => ({ ...record, sequence: at + 1 })));
    expect(swapped).toHaveLength(6);
    expect([...swapped, ...renumbered].filter(isValidChain)).toEqual([]);
  });

  test('shows that a record was put in anywhere, whether or not the others were numbered anew', () => {
    const chain = chainOf(3);
    const foreign = sealEntry({ ...entry, action: 'never happened' }, 7, 'of no record');
    const grown = [0, 1, 2, 3].map((at) => chain.toSpliced(at, 0, foreign));
    const renumbered = grown.map((records) => records.map((record, at) => ({ ...record, sequence: at + 1 })));
    expect([...grown, ...renumbered].filter(isValidChain)).toEqual([]);
  });

  test('shows that a record was told twice', () => {
    const chain = chainOf(3);
    expect(chain.map((record, at) => isValidChain(chain.toSpliced(at, 0, record)))).toEqual([false, false, false]);
  });

  test('shows that it does not begin with the first record, or leaves out a number, however well it is sealed', () => {
    const [first] = chainOf(1) as [AuditRecord];
    expect(isValidChain([sealEntry(entry, 2, '')])).toBe(false);
    expect(isValidChain([sealEntry(entry, 0, '')])).toBe(false);
    expect(isValidChain([first, sealEntry(entry, 3, first.hash)])).toBe(false);
    expect(isValidChain([first, sealEntry(entry, 2, first.hash)])).toBe(true);
  });

  test('shows that it was edited even where the edited record was sealed anew', () => {
    const chain = chainOf(3);
    const [first] = chain as [AuditRecord];
    expect(isValidChain(chain.with(0, sealEntry({ ...first, outcome: 'denied' }, 1, '')))).toBe(false);
  });
});

function isValidChain(records: readonly AuditRecord[]): boolean {
  const chain = new AuditChain(1);
  return records.every((record) => chain.add(record) === undefined);
}

function chainOf(length: number): AuditRecord[] {
  const chain: AuditRecord[] = [];
  for (let sequence = 1; sequence <= length; sequence++) {
    chain.push(sealEntry({ ...entry, action: `step ${sequence}` }, sequence, chain.at(-1)?.hash ?? ''));
  }
  return chain;
}
