import { describe, expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { changeRestored, pairDomains } from '../../../src/config/restored-tenant.ts';
import { routesOf } from '../../../src/config/routes.ts';
import { parseTenantConfig } from '../../../src/config/tenant-config.ts';

const acme = `# Acme, since 2024
domains:
  - acme.example # the shop
  - "*.shops.acme.example"
  - { name: www.acme.example, redirectTo: acme.example }
plan: business # paid yearly
limits: { disk: 5G }
grants: [{ to: globex, app: site, access: http }]
tls: { hsts: 180d, certificate: acme.pem, key: acme.key }
`;
const had = [{ name: 'acme.example' }, { name: '*.shops.acme.example' }, { name: 'www.acme.example', redirectTo: 'acme.example' }];

const configOf = (text: string) =>
  parseTenantConfig(text, 'tenant.yaml', { tenant: 'acme' as TenantName, plans: undefined, defaultPlan: 'starter' });

describe('the tenant.yaml of what is restored', () => {
  test('is the same, byte for byte, where nothing is to change', () => {
    expect(changeRestored(acme, { isClone: false })).toBe(acme);
  });

  test('has other domains and another plan, and its comments', () => {
    const text = changeRestored(acme, { domains: pairDomains(['b.example', '*.shops.b.example'], had), plan: 'starter', isClone: false });
    expect(text).toContain('# Acme, since 2024');
    const { config, problems } = configOf(text);
    expect(problems).toEqual([]);
    expect(config).toMatchObject({
      domains: [
        { name: 'b.example', insteadOf: 'acme.example' },
        { name: '*.shops.b.example', insteadOf: '*.shops.acme.example' },
      ],
      ...{ plan: 'starter', schedules: 'on', grants: [{ to: 'globex' }], tls: { files: { key: 'acme.key' } } },
    });
  });

  test('of a clone lets nobody use anything, runs nothing by itself, and has no certificate of others', () => {
    const { config, problems } = configOf(changeRestored(acme, { domains: [{ name: 'b.example' }], isClone: true }));
    expect(problems).toEqual([]);
    expect(config).toMatchObject({ grants: [], schedules: 'paused', tls: { hstsSeconds: 15_552_000 }, domains: [{ name: 'b.example' }] });
    expect(config?.tls.files).toBeUndefined();
    expect(configOf(changeRestored('domains: [a.example]\n', { isClone: true })).config?.schedules).toBe('paused');
  });

  test.each([
    ['in order, redirects aside', ['b.example', 'c.example'], ['acme.example', '*.shops.acme.example']],
    ['by name', ['*.shops.acme.example=*.b.example', 'c.example'], ['*.shops.acme.example', 'acme.example']],
    ['more than there were', ['b.example', 'c.example', 'd.example'], ['acme.example', '*.shops.acme.example', undefined]],
    ['the same as before', ['acme.example'], [undefined]],
  ])('new domains take the place of others %s', (_how, given, expected) => {
    expect(pairDomains(given, had).map(({ insteadOf }) => insteadOf)).toEqual(expected);
  });
});

test('routes that name a domain are for the one that is there instead of it', () => {
  const domains = [
    { name: 'b.example', insteadOf: 'acme.example' },
    { name: '*.shops.b.example', insteadOf: '*.shops.acme.example' },
  ];
  const routes = ['acme.example', 'one.shops.acme.example', '*.shops.acme.example'].map((host) => ({ host, path: '/' }));
  const tenant = 'acme' as TenantName;
  const { hosts, problems } = routesOf({ tenant, domains, owners: new Map(), apps: new Map([['site' as AppName, { routes }]]) });
  expect(problems).toEqual([]);
  expect(hosts.map(({ host }) => host).sort()).toEqual(['*.shops.b.example', 'b.example', 'one.shops.b.example']);
});
