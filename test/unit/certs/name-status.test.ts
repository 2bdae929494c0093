import { describe, expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { dueAtMs } from '../../../src/certs/due.ts';
import { statusOf, type StatusFacts } from '../../../src/certs/name-status.ts';
import { type NameEntry, Names } from '../../../src/certs/names.ts';
import { clearFailures, recordFailure } from '../../../src/certs/outcome.ts';
import { TryFault } from '../../../src/certs/try-fault.ts';

const dayMs = 86_400_000;
const nowMs = 100 * dayMs;

function makeEntry(changes: Partial<NameEntry> = {}): NameEntry {
  const [entry] = new Names().set('acme' as TenantName, ['acme.example']).added;
  if (!entry) throw new Error('no entry');
  return Object.assign(entry, { loaded: true }, changes);
}

const certificate = (daysLeft: number) => ({
  from: 'https://ca',
  issuer: 'E5',
  notBeforeMs: nowMs - (90 - daysLeft) * dayMs,
  notAfterMs: nowMs + daysLeft * dayMs,
});
const show = (entry: NameEntry, waitsFor?: StatusFacts['waitsFor']) => statusOf(entry, { nowMs, dueMs: dueAtMs(entry, true), waitsFor });

describe('statusOf', () => {
  test('a name that is new waits for its turn, or says for what else', () => {
    expect(show(makeEntry())).toMatchObject({ state: 'waiting', message: 'Waiting for its turn.', failures: 0 });
    const budget = show(makeEntry(), { scope: 'tenant', atMs: nowMs + 5_000 });
    expect(budget).toMatchObject({
      state: 'waiting',
      nextTryMs: nowMs + 5_000,
      message: expect.stringContaining('the tenant used up its budget') as string,
    });
  });

  test('a name with a certificate is issued, and known by when it is renewed', () => {
    const status = show(makeEntry({ certificate: certificate(80) }));
    expect(status).toMatchObject({ state: 'issued', issuer: 'E5', notAfterMs: nowMs + 80 * dayMs });
    expect(status.nextTryMs).toBeGreaterThan(nowMs);
    expect(status.problem).toBeUndefined();
  });

  test('work is seen', () => {
    expect(show(makeEntry({ phase: 'checking' })).state).toBe('checking');
    expect(show(makeEntry({ phase: 'ordering' })).state).toBe('ordering');
    expect(show(makeEntry({ phase: 'ordering', certificate: certificate(20) })).state).toBe('renewing');
  });

  test.each([
    [13, 'expires'],
    [2, 'expires'],
    [-1, 'expired'],
  ])('a certificate with %d days left is a problem: %s', (daysLeft, kind) => {
    expect(show(makeEntry({ certificate: certificate(daysLeft) })).problem?.kind).toBe(kind);
  });
});

describe('recordFailure', () => {
  const none = () => Promise.resolve('a');

  test('a name that fails says why and when it is tried again, and is set aside in the end', async () => {
    const entry = makeEntry();
    await recordFailure(entry, new TryFault('name', 'the CA saw nothing'), { nowMs, fingerprint: none });
    const status = show(entry);
    expect(status).toMatchObject({ state: 'failed', failures: 1, lastError: 'the CA saw nothing', problem: { kind: 'no-certificate' } });
    expect(status.nextTryMs).toBeGreaterThan(nowMs);
    for (let failure = 1; failure < 8; failure += 1)
      await recordFailure(entry, new TryFault('name', 'nothing'), { nowMs, fingerprint: none });
    expect(show(entry)).toMatchObject({ state: 'set-aside', failures: 8 });
    expect(show(entry).nextTryMs).toBeUndefined();
    expect(entry.record.setAsideAt).toBe('a');
    clearFailures(entry);
    expect(show(entry).state).toBe('waiting');
  });

  test('a name whose certificate is still good is never set aside', async () => {
    const entry = makeEntry({ certificate: certificate(20) });
    for (let failure = 0; failure < 20; failure += 1)
      await recordFailure(entry, new TryFault('name', 'nothing'), { nowMs, fingerprint: none });
    expect(show(entry).state).toBe('failed');
    expect(entry.record.nextTryMs).toBeLessThanOrEqual(nowMs + dayMs);
  });

  test.each(['outside', 'ca'] as const)('what is to blame on %s is no failure of the name', async (blame) => {
    const entry = makeEntry();
    for (let count = 0; count < 20; count += 1)
      await recordFailure(entry, new TryFault(blame, 'nobody there'), { nowMs, fingerprint: none });
    expect(show(entry)).toMatchObject({ state: 'waiting', failures: 0, lastError: 'nobody there' });
    expect(entry.record.nextTryMs).toBeLessThanOrEqual(nowMs + 900_000);
  });

  test('it waits as long as the CA asked for', async () => {
    const entry = makeEntry();
    await recordFailure(entry, new TryFault('refused', 'slow down', { retryAfterMs: 2 * dayMs }), { nowMs, fingerprint: none });
    expect(entry.record.nextTryMs).toBe(nowMs + 2 * dayMs);
  });

  test('a fault of our own program is told as one', async () => {
    const entry = makeEntry();
    await recordFailure(entry, new Error('EIO'), { nowMs, fingerprint: none });
    expect(entry.record.lastError).toBe('something went wrong here: EIO');
  });
});
