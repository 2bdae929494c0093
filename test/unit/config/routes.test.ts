import { describe, expect, test } from 'vitest';
import { type AppName, isAppName, isTenantName, type TenantName } from '../../../src/base/ids.ts';
import { parseRoute } from '../../../src/config/app-values.ts';
import { type RoutedApp, type RouteResult, routesOf } from '../../../src/config/routes.ts';
import type { TenantDomain } from '../../../src/config/tenant-schema.ts';

function tenantName(text: string): TenantName {
  if (!isTenantName(text)) throw new Error(text);
  return text;
}

function appName(text: string): AppName {
  if (!isAppName(text)) throw new Error(text);
  return text;
}

function routed(routes: readonly string[] | undefined): RoutedApp {
  if (!routes) return {};
  return {
    routes: routes.map((text) => {
      const parsed = parseRoute(text);
      if (!('value' in parsed)) throw new Error(parsed.fault.message);
      return parsed.value;
    }),
  };
}

interface Case {
  domains?: (string | TenantDomain)[];
  apps: Record<string, string[] | undefined>;
  others?: Record<string, string>;
}

const acme = tenantName('acme');

function build({ domains = ['acme.example'], apps, others = {} }: Case): RouteResult {
  const own = domains.map((domain) => (typeof domain === 'string' ? { name: domain } : domain));
  const foreign = Object.entries(others).map(([domain, tenant]) => [domain, tenantName(tenant)] as const);
  return routesOf({
    tenant: acme,
    domains: own,
    owners: new Map([...own.map(({ name }) => [name, acme] as const), ...foreign]),
    apps: new Map(Object.entries(apps).map(([app, routes]) => [appName(app), routed(routes)])),
  });
}

describe('without routes', () => {
  test('one app answers on every domain, and redirects stay redirects', () => {
    const { hosts, problems, urlsByApp } = build({
      domains: ['acme.example', '*.shops.acme.example', { name: 'www.acme.example', redirectTo: 'acme.example' }],
      apps: { site: undefined },
    });
    expect(hosts).toEqual([
      { host: 'acme.example', paths: [{ prefix: '/', app: 'site' }] },
      { host: '*.shops.acme.example', paths: [{ prefix: '/', app: 'site' }] },
      { host: 'www.acme.example', redirectTo: 'acme.example' },
    ]);
    expect(problems).toEqual([]);
    expect(urlsByApp.get(appName('site'))).toEqual([
      { host: 'acme.example', path: '/' },
      { host: '*.shops.acme.example', path: '/' },
    ]);
  });

  test('one app beside others takes what they leave', () => {
    const { hosts, problems } = build({ apps: { api: ['acme.example/api'], site: undefined } });
    expect(problems).toEqual([]);
    expect(hosts).toEqual([
      {
        host: 'acme.example',
        paths: [
          { prefix: '/api', app: 'api' },
          { prefix: '/', app: 'site' },
        ],
      },
    ]);
  });

  test('of several apps the first by name keeps its place', () => {
    const { hosts, problems } = build({ apps: { site: undefined, blog: undefined, shop: undefined } });
    expect(hosts).toEqual([{ host: 'acme.example', paths: [{ prefix: '/', app: 'blog' }] }]);
    expect(problems).toMatchObject([
      { code: 'TENANTD_E_ROUTE_CONFLICT', app: 'shop', tenant: 'acme' },
      { code: 'TENANTD_E_ROUTE_CONFLICT', app: 'site', tenant: 'acme' },
    ]);
  });

  test('an app for which nothing is left is told', () => {
    const { problems } = build({ apps: { a: ['acme.example/'], b: undefined } });
    expect(problems).toMatchObject([{ code: 'TENANTD_E_ROUTE_CONFLICT', app: 'b' }]);
  });

  test('a domain without any app is there, with nothing on it', () => {
    expect(build({ apps: {} }).hosts).toEqual([{ host: 'acme.example', paths: [] }]);
  });

  test('a tenant that lost all its domains has no routes and no problem with its apps', () => {
    expect(build({ domains: [], apps: { site: undefined } })).toMatchObject({ hosts: [], problems: [] });
  });
});

describe('written routes', () => {
  test('longer paths stand before shorter ones', () => {
    const { hosts } = build({ apps: { site: ['acme.example/', 'acme.example/a/b', 'acme.example/a'] } });
    expect(hosts).toMatchObject([{ paths: [{ prefix: '/a/b' }, { prefix: '/a' }, { prefix: '/' }] }]);
  });

  test('the same route twice is the first app’s, and the other routes of the second count', () => {
    const { hosts, problems } = build({ apps: { two: ['acme.example/x', 'acme.example/y'], one: ['acme.example/x'] } });
    expect(hosts).toMatchObject([
      {
        paths: [
          { prefix: '/x', app: 'one' },
          { prefix: '/y', app: 'two' },
        ],
      },
    ]);
    expect(problems).toMatchObject([{ code: 'TENANTD_E_ROUTE_CONFLICT', app: 'two' }]);
  });

  test('a host below an own wildcard may be used', () => {
    const { hosts, problems } = build({ domains: ['*.acme.example'], apps: { site: ['shop.acme.example/', '*.de.acme.example/'] } });
    expect(problems).toEqual([]);
    expect(hosts.map(({ host }) => host)).toEqual(['*.acme.example', 'shop.acme.example', '*.de.acme.example']);
  });

  test.each([
    ['of nobody', 'globex.example/'],
    ['above an own wildcard', 'shops.acme.example/'],
    ['of another tenant below an own wildcard', 'taken.shops.acme.example/'],
    ['below the nearer wildcard of another tenant', 'a.near.shops.acme.example/'],
    ['that is the wildcard of another tenant', '*.near.shops.acme.example/'],
    ['that redirects', 'www.acme.example/'],
  ])('a host %s is refused', (_, route) => {
    const { problems, hosts } = build({
      domains: ['acme.example', '*.shops.acme.example', { name: 'www.acme.example', redirectTo: 'acme.example' }],
      apps: { site: [route] },
      others: { 'taken.shops.acme.example': 'globex', '*.near.shops.acme.example': 'globex' },
    });
    expect(problems).toMatchObject([{ code: 'TENANTD_E_FOREIGN_HOST', app: 'site', tenant: 'acme' }]);
    expect(hosts.map(({ host }) => host)).toEqual(['acme.example', '*.shops.acme.example', 'www.acme.example']);
  });

  test('a problem stands where the route is written', () => {
    const app = {
      ...routed(['acme.example/', 'x.example/']),
      file: 'app.yaml',
      routePositions: [
        { line: 2, column: 5 },
        { line: 3, column: 5 },
      ],
    };
    const { problems } = routesOf({
      tenant: acme,
      domains: [{ name: 'acme.example' }],
      owners: new Map(),
      apps: new Map([[appName('site'), app]]),
    });
    expect(problems).toMatchObject([{ file: 'app.yaml', line: 3, column: 5 }]);
  });
});
