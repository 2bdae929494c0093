import { describe, expect, test } from 'vitest';
import { isTenantName, type TenantName } from '../../../src/base/ids.ts';
import { claimDomains, type DomainClaims } from '../../../src/config/domains.ts';

function name(text: string): TenantName {
  if (!isTenantName(text)) throw new Error(text);
  return text;
}

const [acme, globex, initech] = [name('acme'), name('globex'), name('initech')];

function claims(tenant: TenantName, ...domains: string[]): DomainClaims {
  return { tenant, domains: domains.map((domain) => ({ name: domain })), file: `/t/${tenant}/tenant.yaml` };
}

describe('a domain', () => {
  test('belongs to the tenant that had it first, whatever the names', () => {
    const { accepted, problems, owners } = claimDomains(
      [claims(acme, 'a.example'), claims(globex, 'a.example')],
      new Map([['a.example', globex]]),
    );
    expect(accepted.get(globex)).toEqual([{ name: 'a.example' }]);
    expect(accepted.get(acme)).toEqual([]);
    expect(owners).toEqual(new Map([['a.example', globex]]));
    expect(problems).toMatchObject([{ code: 'TENANTD_E_DOMAIN_TAKEN', tenant: 'acme', file: '/t/acme/tenant.yaml' }]);
  });

  test('that several claim at once goes to the first by name', () => {
    const { accepted, problems } = claimDomains(
      [claims(initech, 'a.example'), claims(globex, 'a.example'), claims(acme, 'b.example')],
      new Map(),
    );
    expect(accepted.get(globex)).toEqual([{ name: 'a.example' }]);
    expect(problems.map(({ tenant }) => tenant)).toEqual(['initech']);
  });

  test('that its owner gave up is free', () => {
    const { accepted, problems } = claimDomains([claims(acme, 'b.example'), claims(globex, 'a.example')], new Map([['a.example', acme]]));
    expect(accepted.get(globex)).toEqual([{ name: 'a.example' }]);
    expect(problems).toEqual([]);
  });

  test('of a tenant that is gone is free', () => {
    const { owners } = claimDomains([claims(globex, 'a.example')], new Map([['a.example', acme]]));
    expect(owners).toEqual(new Map([['a.example', globex]]));
  });

  test('of a tenant whose file can not be read stays its own', () => {
    const { accepted, owners } = claimDomains([claims(globex, 'a.example')], new Map([['a.example', acme]]), new Set([acme]));
    expect(accepted.get(globex)).toEqual([]);
    expect(owners).toEqual(new Map([['a.example', acme]]));
  });

  test('below the wildcard of another tenant is allowed from files', () => {
    const { accepted, problems } = claimDomains([claims(acme, '*.a.example'), claims(globex, 'x.a.example')], new Map());
    expect(accepted.get(globex)).toEqual([{ name: 'x.a.example' }]);
    expect(problems).toEqual([]);
  });

  test('that is taken harms no other domain of the later tenant', () => {
    const { accepted } = claimDomains([claims(acme, 'a.example'), claims(globex, 'a.example', 'g.example')], new Map());
    expect(accepted.get(globex)).toEqual([{ name: 'g.example' }]);
  });

  test('named like a member of every object is one like any other', () => {
    const { accepted } = claimDomains([claims(acme, 'constructor', 'prototype')], new Map());
    expect(accepted.get(acme)).toHaveLength(2);
  });
});

describe('problems', () => {
  test('stand where the domain is listed', () => {
    const later = { ...claims(globex, 'a.example'), positions: new Map([['a.example', { line: 7, column: 5 }]]) };
    const { problems } = claimDomains([claims(acme, 'a.example'), later], new Map());
    expect(problems).toMatchObject([{ line: 7, column: 5 }]);
  });

  test('do not name the other tenant', () => {
    const { problems } = claimDomains([claims(acme, 'a.example'), claims(globex, 'a.example')], new Map());
    expect(JSON.stringify(problems)).not.toContain('acme');
  });

  test('of a tenant that claims a thousand domains of another are few', () => {
    const many = Array.from({ length: 1_000 }, (_, i) => `d${i}.example`);
    const { problems } = claimDomains([claims(acme, ...many), claims(globex, ...many)], new Map());
    expect(problems).toHaveLength(21);
    expect(problems.at(-1)).toMatchObject({ code: 'TENANTD_E_TOO_MANY', tenant: 'globex' });
  });
});

describe('a redirect', () => {
  const redirecting = { ...claims(globex), domains: [{ name: 'g.example' }, { name: 'www.g.example', redirectTo: 'g.example' }] };

  test('goes to a domain that the tenant has', () => {
    expect(claimDomains([redirecting], new Map()).accepted.get(globex)).toEqual(redirecting.domains);
  });

  test('to a domain that the tenant lost is dropped, and stays the own name', () => {
    const { accepted, problems, owners } = claimDomains([claims(acme, 'g.example'), redirecting], new Map());
    expect(accepted.get(globex)).toEqual([]);
    expect(owners.get('www.g.example')).toBe(globex);
    expect(problems.map(({ code }) => code)).toEqual(['TENANTD_E_DOMAIN_TAKEN', 'TENANTD_E_REDIRECT_TARGET']);
  });
});
