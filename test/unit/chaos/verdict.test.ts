import { describe, expect, test } from 'vitest';
import { Ledger, type RequestRecord } from '../../chaos/ledger.ts';
import { judge } from '../../chaos/verdict.ts';

const touched = new Set(['hit']);

function recordOf(more: Partial<RequestRecord>): RequestRecord {
  return { tenant: 'kept', way: 'https', sentMs: 5_000, endedMs: 5_100, lost: [], ...more };
}

function ledgerWith(record: RequestRecord, more: Partial<Pick<Ledger, 'absences' | 'disturbances'>> = {}): Ledger {
  const ledger = new Ledger();
  ledger.add(record);
  ledger.absences.push(...(more.absences ?? []));
  ledger.disturbances.push(...(more.disturbances ?? []));
  return ledger;
}

const absent = { tenant: 'hit', why: 'killed', fromMs: 4_900, endsAfterMs: 4_950, toMs: 5_050 };
const lost = (reused: boolean) => [{ sentMs: 5_000, lostMs: 5_050, why: 'reset', reused }];
const failuresOf = (ledger: Ledger): number => judge(ledger, touched).failures.length;

describe('what counts as a failure', () => {
  test('anything but 200 for a tenant to which nothing was done, whatever was done to others', () => {
    expect(failuresOf(ledgerWith(recordOf({ fault: '503' }), { absences: [absent] }))).toBe(1);
  });

  test('nothing for a tenant that had no worker; but not before, nor after its next success', () => {
    const failed = { tenant: 'hit', fault: '502' };
    expect(failuresOf(ledgerWith(recordOf(failed), { absences: [absent] }))).toBe(0);
    expect(failuresOf(ledgerWith(recordOf({ ...failed, endedMs: 4_800, sentMs: 4_700 }), { absences: [absent] }))).toBe(1);
    expect(failuresOf(ledgerWith(recordOf({ ...failed, sentMs: 5_060 }), { absences: [absent] }))).toBe(1);
  });

  test("another tenant's answer, also while it had no worker", () => {
    const foreign = recordOf({ tenant: 'hit', fault: 'answered with', isForeign: true });
    expect(failuresOf(ledgerWith(foreign, { absences: [absent] }))).toBe(1);
  });

  test('a broken connection, unless an edge was killed; an idle one may be closed by an edge that is replaced', () => {
    const during = { fromMs: 5_010, toMs: 5_020 };
    expect(failuresOf(ledgerWith(recordOf({ lost: lost(true) })))).toBe(1);
    expect(failuresOf(ledgerWith(recordOf({ lost: lost(false) }), { disturbances: [{ kind: 'edge-killed', ...during }] }))).toBe(0);
    expect(failuresOf(ledgerWith(recordOf({ lost: lost(true) }), { disturbances: [{ kind: 'edges-replaced', ...during }] }))).toBe(0);
    expect(failuresOf(ledgerWith(recordOf({ lost: lost(false) }), { disturbances: [{ kind: 'edges-replaced', ...during }] }))).toBe(1);
  });
});

test('a time without a worker ends with the first success of a request that was sent after its cause was over', () => {
  const ledger = new Ledger();
  const end = ledger.beginAbsence('hit', 'stopped');
  ledger.add(recordOf({ tenant: 'hit', sentMs: performance.now(), endedMs: performance.now() }));
  expect(ledger.absences[0]?.toMs).toBeUndefined();
  end();
  const sentMs = performance.now();
  ledger.add(recordOf({ tenant: 'hit', sentMs, endedMs: sentMs + 10 }));
  expect(ledger.absences[0]?.toMs).toBe(sentMs + 10);
});
