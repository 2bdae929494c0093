import { describe, expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { Names } from '../../../src/certs/names.ts';
import { registrableDomainOf } from '../../../src/certs/registrable-domain.ts';

const [acme, globex] = ['acme', 'globex'] as TenantName[] as [TenantName, TenantName];
const owners = (names: Names): Record<string, string> => Object.fromEntries(names.wanted().map(({ name, tenant }) => [name, tenant]));

describe('registrableDomainOf', () => {
  test.each([
    ['acme.example', 'acme.example'],
    ['www.acme.example', 'acme.example'],
    ['*.shops.acme.example', 'acme.example'],
    ['www.acme.co.uk', 'acme.co.uk'],
    ['acme.com.au', 'acme.com.au'],
    ['a.b.acme.com', 'acme.com'],
    ['localhost', 'localhost'],
  ])('of %s is %s', (name, domain) => {
    expect(registrableDomainOf(name)).toBe(domain);
  });
});

describe('Names', () => {
  test('a snapshot takes effect at its end, and what it leaves out is gone', () => {
    const names = new Names();
    names.set(acme, ['a.example', 'b.example']);
    names.beginSnapshot();
    names.set(globex, ['c.example']);
    expect(owners(names)).toEqual({ 'a.example': 'acme', 'b.example': 'acme' });
    const { added, removed } = names.endSnapshot();
    expect([added, removed].map((list) => list.map(({ name }) => name))).toEqual([['c.example'], ['a.example', 'b.example']]);
    expect(owners(names)).toEqual({ 'c.example': 'globex' });
  });

  test('a snapshot that breaks off changes nothing', () => {
    const names = new Names();
    names.set(acme, ['a.example']);
    names.beginSnapshot();
    names.abandonSnapshot();
    expect(owners(names)).toEqual({ 'a.example': 'acme' });
  });

  test('a name that moves to another tenant is not lost, in either order', () => {
    const names = new Names();
    names.set(acme, ['a.example']);
    expect(names.set(globex, ['a.example']).added.length).toBe(1);
    expect(names.set(acme, []).removed).toEqual([]);
    expect(owners(names)).toEqual({ 'a.example': 'globex' });
    names.beginSnapshot();
    names.set(acme, ['a.example']);
    expect(names.endSnapshot().removed).toEqual([]);
    expect(owners(names)).toEqual({ 'a.example': 'acme' });
  });

  test('a name that is given up while it is worked on, and wanted again, keeps its one entry', () => {
    const names = new Names();
    const [entry] = names.set(acme, ['a.example']).added;
    if (!entry) throw new Error('no entry');
    entry.phase = 'ordering';
    names.set(acme, []);
    expect(names.find('a.example')).toBeUndefined();
    expect(names.set(globex, ['a.example']).added).toEqual([entry]);
    names.forget(entry);
    expect(names.find('a.example')).toBe(entry);
  });

  test.each(['', '.', '..', 'a/b', '../a.example', '*', 'a.*.example', 'A.example', 'a'.repeat(254), 'a..example', '-a.example', 'a\n'])(
    '%j is no name',
    (name) => {
      expect(new Names().set(acme, [name]).added).toEqual([]);
    },
  );
});
