import { expect, test } from 'vitest';
import { TenantdError } from '../../../src/base/errors.ts';
import type { AuditEntry } from '../../../src/protocol/audit-chain.ts';
import { createAudited } from '../../../src/daemon/audited.ts';

const full = new TenantdError('TENANTD_E_STATE', 'state.db: database or disk is full', 'make room');
const change = { tenant: 'acme', action: 'app-stop', actor: 'operator' };

function trailOf({ isFull = false } = {}) {
  const entries: AuditEntry[] = [];
  const audited = createAudited({
    audit: {
      begin(entry) {
        if (isFull) throw full;
        return (after, outcome) => void entries.push({ ...entry, after, outcome, time: '' });
      },
    },
  });
  return { entries, audited };
}

test('a change is on record with what was before and what is after', async () => {
  const { entries, audited } = trailOf();
  const state = { stopped: false };
  const result = await audited({ ...change, look: () => state }, async () => {
    state.stopped = true;
    return 'answer';
  });
  expect(result).toBe('answer');
  expect(entries).toMatchObject([{ ...change, before: '{"stopped":false}', after: '{"stopped":true}', outcome: 'done' }]);
});

test('a change that fails is on record with why', async () => {
  const { entries, audited } = trailOf();
  await expect(audited({ ...change, look: () => null }, () => Promise.reject(new Error('no such app')))).rejects.toThrow('no such app');
  expect(entries).toMatchObject([{ outcome: 'no such app' }]);
});

test('a change that could not be put on record is not begun', async () => {
  const { entries, audited } = trailOf({ isFull: true });
  const begun: string[] = [];
  const changing = audited({ ...change, look: () => null }, () => Promise.resolve(begun.push('begun')));
  await expect(changing).rejects.toBe(full);
  expect([begun, entries]).toEqual([[], []]);
});
