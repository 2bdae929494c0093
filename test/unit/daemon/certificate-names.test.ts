import { beforeEach, expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { CertificateNames } from '../../../src/daemon/certificate-names.ts';
import type { NameStatus } from '../../../src/protocol/certs.ts';

const [acme, globex] = ['acme', 'globex'] as [TenantName, TenantName];

let names: CertificateNames;
beforeEach(() => {
  names = new CertificateNames();
  names.set(acme, ['a.example', 'b.example']);
});

const status = (name: string, more: Partial<NameStatus> = {}): NameStatus => ({
  ...{ tenant: acme, name, state: 'issued', message: 'fine', failures: 0 },
  ...more,
});

test('a change tells what is gone, and the same names again are none', () => {
  expect(names.set(acme, ['b.example', 'a.example'])).toBeUndefined();
  expect(names.set(acme, ['b.example', 'c.example'])).toEqual({ removed: ['a.example'] });
  expect(names.set(acme, ['b.example', 'c.example', 'd.example'])).toEqual({ removed: [] });
  expect(names.all()).toEqual([{ tenant: acme, names: ['b.example', 'c.example', 'd.example'] }]);
  expect(names.set(acme, [])).toEqual({ removed: ['b.example', 'c.example', 'd.example'] });
  expect([names.all(), names.set(acme, [])]).toEqual([[], undefined]);
});

test('what was said of a name lasts until another word, or its end', () => {
  names.note(status('a.example', { state: 'ordering' }));
  names.note(status('a.example'));
  names.set(acme, ['a.example']);
  expect(names.statusOf(acme, 'a.example')).toEqual(status('a.example'));
  names.set(acme, ['b.example']);
  names.set(acme, ['a.example']);
  expect(names.statusOf(acme, 'a.example')).toBeUndefined();
});

test('words on names that the tenant does not have are not kept', () => {
  for (const tenant of ['acme', 'globex', 'constructor', '__proto__']) names.note(status('x.example', { tenant }));
  names.note(status('a.example', { tenant: 'globex' }));
  expect([names.has('globex', 'a.example'), names.has('acme', 'x.example')]).toEqual([false, false]);
  expect([names.statusOf(globex, 'a.example'), names.statusOf(acme, 'x.example'), names.statusOf(acme, 'a.example')]).toEqual([
    ...[undefined, undefined, undefined],
  ]);
});

test('what the tenant should know is a problem, each kind with its code, and of very many the first', () => {
  const problem = (kind: 'no-certificate' | 'expires' | 'expired') => ({ problem: { kind, message: kind, fix: 'mend it' } });
  names.set(acme, ['a.example', 'b.example', 'c.example', 'd.example']);
  names.note(status('a.example', problem('no-certificate')));
  names.note(status('b.example', problem('expires')));
  names.note(status('c.example', problem('expired')));
  names.note(status('d.example'));
  expect(names.problems(acme)).toEqual([
    { code: 'TENANTD_E_NO_CERTIFICATE', message: 'no-certificate', fix: 'mend it' },
    { code: 'TENANTD_E_CERTIFICATE_EXPIRES', message: 'expires', fix: 'mend it' },
    { code: 'TENANTD_E_CERTIFICATE_EXPIRED', message: 'expired', fix: 'mend it' },
  ]);
  expect(names.problems(globex)).toEqual([]);
  const many = Array.from({ length: 1_000 }, (_, index) => `${index}.example`);
  names.set(globex, many);
  for (const name of many) names.note(status(name, { tenant: 'globex', ...problem('no-certificate') }));
  expect(names.problems(globex)).toHaveLength(21);
});
