import { describe, expect, test } from 'vitest';
import type { CaaRecord } from '../../../src/certs/dns-lookup.ts';
import { checkDomain } from '../../../src/certs/domain-check.ts';
import { TryFault } from '../../../src/certs/try-fault.ts';
import type { NameCheck } from '../../../src/protocol/certs.ts';

interface Zone {
  a?: Record<string, string[]>;
  aaaa?: Record<string, string[]>;
  cname?: Record<string, string>;
  caa?: Record<string, CaaRecord[]>;
  isDead?: boolean;
}

const here = ['203.0.113.7', '2001:db8::7'];

function check(
  name: string,
  { a = {}, aaaa = {}, cname = {}, caa = {}, isDead = false }: Zone,
  publicAddresses = here,
): Promise<NameCheck> {
  const answer = <T>(value: T): Promise<T> =>
    isDead ? Promise.reject(new TryFault('outside', 'the DNS resolvers did not answer')) : Promise.resolve(value);
  const dns = {
    addresses4: (at: string) => answer(a[at] ?? []),
    addresses6: (at: string) => answer(aaaa[at] ?? []),
    alias: (at: string) => answer(cname[at]),
    caa: (at: string) => answer(caa[at] ?? []),
  };
  return checkDomain(name, { dns, publicAddresses, caIdentities: [['ca.example']], byDnsOnly: false });
}

describe('checkDomain', () => {
  test.each<[string, Zone, NameCheck['verdict'], string]>([
    ['points here', { a: { 'acme.example': ['203.0.113.7'] } }, 'points-here', 'points here'],
    [
      'points here by aliases',
      { cname: { 'acme.example': 'b.example', 'b.example': 'c.example' }, a: { 'c.example': ['203.0.113.7'] } },
      'points-here',
      'points here',
    ],
    ['points here, the address in another spelling', { aaaa: { 'acme.example': ['2001:db8:0:0::7'] } }, 'points-here', 'points here'],
    ['points elsewhere', { a: { 'acme.example': ['198.51.100.1'] } }, 'elsewhere', 'points to 198.51.100.1, not to this machine'],
    [
      'points here and elsewhere',
      { a: { 'acme.example': ['203.0.113.7'] }, aaaa: { 'acme.example': ['2001:db8::bad'] } },
      'elsewhere',
      '2001:db8::bad',
    ],
    ['is not there', {}, 'no-records', 'Add A 203.0.113.7 or AAAA 2001:db8::7'],
    [
      'goes in a circle',
      { cname: { 'acme.example': 'b.example', 'b.example': 'acme.example' } },
      'loop',
      'acme.example -> b.example -> acme.example',
    ],
    ['is behind Cloudflare', { a: { 'acme.example': ['104.16.1.1'] } }, 'behind-proxy', 'in a loop'],
    [
      'is forbidden',
      { a: { 'acme.example': ['203.0.113.7'] }, caa: { example: [{ tag: 'issue', value: 'other.example', critical: false }] } },
      'forbidden-by-caa',
      '`example CAA 0 issue "ca.example"`',
    ],
    ['can not be asked for', { isDead: true }, 'unknown', 'tried again later'],
  ])('a name that %s', async (_what, zone, verdict, finding) => {
    const result = await check('acme.example', zone);
    expect(result.verdict).toBe(verdict);
    expect(result.findings.join(' ')).toContain(finding);
  });

  test('a chain of aliases without end ends', async () => {
    const cname = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`${index}.example`, `${index + 1}.example`]));
    expect((await check('0.example', { cname })).verdict).toBe('loop');
  });

  test('what is expected and found is shown as records', async () => {
    const { expected, found } = await check('www.acme.example', {
      cname: { 'www.acme.example': 'acme.example' },
      a: { 'acme.example': ['198.51.100.1'] },
    });
    expect(expected).toEqual([
      { name: 'www.acme.example', type: 'A', value: '203.0.113.7' },
      { name: 'www.acme.example', type: 'AAAA', value: '2001:db8::7' },
    ]);
    expect(found).toEqual([
      { name: 'www.acme.example', type: 'CNAME', value: 'acme.example' },
      { name: 'acme.example', type: 'A', value: '198.51.100.1' },
    ]);
  });

  test('a machine that does not know its IPv6 address does not judge AAAA records', async () => {
    const zone = { a: { 'acme.example': ['203.0.113.7'] }, aaaa: { 'acme.example': ['2001:db8::bad'] } };
    expect((await check('acme.example', zone, ['203.0.113.7'])).verdict).toBe('points-here');
  });

  test('where no address is known, any will do, and it is said', async () => {
    const { verdict, findings, expected } = await check('acme.example', { a: { 'acme.example': ['198.51.100.1'] } }, []);
    expect([verdict, expected]).toEqual(['unknown', []]);
    expect(findings.join(' ')).toContain('acme.publicAddresses');
  });

  test('of a wildcard a name below it is asked for', async () => {
    expect((await check('*.shops.example', { a: { 'certificate-check.shops.example': ['203.0.113.7'] } })).verdict).toBe('points-here');
  });
});
