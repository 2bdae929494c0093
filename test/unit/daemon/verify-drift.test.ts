import { expect, test } from 'vitest';
import type { AuditEntry, AuditRecord } from '../../../src/protocol/audit-chain.ts';
import type { TenantName } from '../../../src/base/ids.ts';
import { createDriftBook } from '../../../src/daemon/verify-drift.ts';
import type { Check } from '../../../src/protocol/verify.ts';
import { createRecordingLog } from './recording-log.ts';

const check = (changes: Partial<Check> = {}): Check => ({
  ...{ tenant: 'acme', layer: 'resources', id: 'resources.memory', subject: '', expected: '1 bytes', actual: '2 bytes', ok: false },
  ...{ source: '/sys/fs/cgroup/x' },
  ...changes,
});

function openBook() {
  const entries: AuditEntry[] = [];
  const store = { appendAudit: (entry: AuditEntry) => entries.push(entry) as unknown as AuditRecord };
  const book = createDriftBook({ store, log: createRecordingLog().log });
  const note = (...checks: Check[]): Check[] =>
    book
      .note(
        () => true,
        checks.map((one) => ({ check: one, sandbox: undefined })),
      )
      .map((found) => found.check);
  return { book, note, actions: () => entries.map(({ tenant, action }) => `${tenant} ${action}`) };
}

test('a drift is written to the audit trail when it is found and when it is over, not in between', () => {
  const { book, note, actions } = openBook();
  expect(note(check()).length).toBe(1);
  expect(note(check({ actual: '3 bytes' }))).toEqual([]);
  expect(book.problems('acme' as TenantName)).toEqual([
    expect.objectContaining({ code: 'TENANTD_E_DRIFT', tenant: 'acme', message: expect.stringContaining('"3 bytes", expected "1 bytes"') }),
  ]);
  expect(actions()).toEqual(['acme drift']);
  note(check({ ok: true }));
  expect(book.problems('acme' as TenantName)).toEqual([]);
  expect(actions()).toEqual(['acme drift', 'acme drift-end']);
});

test('it is over when what it was about is gone', () => {
  const { note, actions } = openBook();
  note(check({ subject: 'worker site.abc' }));
  note();
  expect(actions()).toEqual(['acme drift', 'acme drift-end']);
});

test('a look at another tenant ends nothing', () => {
  const { book, note } = openBook();
  note(check());
  book.note((tenant) => tenant === 'globex', []);
  expect(book.tenantsWithDrift()).toEqual(['acme']);
});

test('what is waived is no drift', () => {
  const { note, actions } = openBook();
  expect(note(check({ waived: true }))).toEqual([]);
  expect(actions()).toEqual([]);
});

test("a problem of tenantd's own parts is no tenant's", () => {
  const { book, note } = openBook();
  note(check({ tenant: '', subject: 'edge' }));
  expect(book.problems('')[0]).not.toHaveProperty('tenant');
  expect(book.problems('acme' as TenantName)).toEqual([]);
});
