import { describe, expect, test } from 'vitest';
import { findPrograms, type Programs } from '../../../src/privileged/programs.ts';
import { findUser, makeServiceUser, makeUser, userNameOf } from '../../../src/privileged/users.ts';

describe("a tenant's user name", () => {
  test('is its prefix and its name where that is short enough', () => {
    expect(userNameOf('tnt-', 'acme')).toBe('tnt-acme');
    expect(userNameOf('tnt-', 'a'.repeat(28))).toBe(`tnt-${'a'.repeat(28)}`);
  });

  test('has at most 32 characters, and those of a user name, whatever the tenant', () => {
    const names = Array.from({ length: 32 }, (_, length) => userNameOf('sixteen-letters-', `a${'-'.repeat(length)}`));
    expect(names.filter((name) => !/^[a-z_][a-z0-9_-]{0,31}$/.test(name))).toEqual([]);
  });

  test('is another for every tenant, also where only the end of a long name differs', () => {
    const long = 'a-rather-long-name-of-a-tenant-';
    const tenants = 'abcdefghijklmnopqrstuvwxyz0123456789'.split('').map((end) => `${long}${end}`);
    const names = tenants.map((tenant) => userNameOf('tnt-', tenant));
    expect(new Set(names).size).toBe(tenants.length);
    expect(names.every((name) => name.startsWith('tnt-a-rather-long-name-') && name.length === 32)).toBe(true);
  });

  test('is the same tomorrow', () => {
    expect(userNameOf('tnt-', 'a-rather-long-name-of-a-tenant-b')).toMatch(
      /^tnt-a-rather-long-name-[0-9a-f]{8}$|^tnt-a-rather-long-name-\w*-[0-9a-f]{8}$/,
    );
    expect(userNameOf('tnt-', 'a-rather-long-name-of-a-tenant-b')).toBe(userNameOf('tnt-', 'a-rather-long-name-of-a-tenant-b'));
  });
});

describe('a user of this machine', () => {
  test('is found by name and by uid, whole names only', () => {
    const root = { name: 'root', uid: 0, gid: 0 };
    expect([findUser({ name: 'root' }), findUser({ uid: 0 })]).toEqual([root, root]);
    expect([findUser({ name: 'roo' }), findUser({ name: 'root:x' }), findUser({ name: '' }), findUser({ uid: 4_000_000_001 })]).toEqual([
      ...[undefined, undefined],
      ...[undefined, undefined],
    ]);
  });

  /** Whoever runs one of these fails the test: there are no such programs. */
  const noPrograms = Object.fromEntries(Object.keys(findPrograms()).map((name) => [name, `/nonexistent/${name}`])) as unknown as Programs;

  test.each([
    ['', 200_000],
    ['-option', 200_000],
    ['UPPER', 200_000],
    ['a:b', 200_000],
    ['a b', 200_000],
    ['a\nroot', 200_000],
    ['../a', 200_000],
    ['a'.repeat(33), 200_000],
    ['tnt-acme', 0],
    ['tnt-acme', 999],
    ['tnt-acme', -200_000],
    ['tnt-acme', 200_000.5],
    ['tnt-acme', Number.NaN],
    ['tnt-acme', 2 ** 60],
  ])('is not made as %j with uid %d', async (name, uid) => {
    await expect(makeUser(noPrograms, name, uid)).rejects.toMatchObject({
      code: 'TENANTD_E_USER',
      message: expect.stringContaining('is no user name and uid for a tenant'),
    });
  });

  test('of the same name and another uid is left alone, and the problem says what to do', async () => {
    await expect(makeUser(noPrograms, 'root', 200_000)).rejects.toMatchObject({
      code: 'TENANTD_E_USER',
      message: 'the Unix user root exists with uid 0, not 200000',
      fix: expect.stringContaining('userPrefix'),
    });
  });

  test('that is there already is not made again', async () => {
    await expect(makeServiceUser(noPrograms, 'root')).resolves.toEqual({ name: 'root', uid: 0, gid: 0 });
  });

  test('that can not be made is a problem with what the tool said', async () => {
    await expect(makeUser(noPrograms, 'tenantd-test-nobody', 4_000_000_001)).rejects.toMatchObject({
      code: 'TENANTD_E_USER',
      message: expect.stringContaining('/nonexistent/groupadd'),
    });
    expect(findUser({ name: 'tenantd-test-nobody' })).toBeUndefined();
  });
});
