import { describe, expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { AppTarget } from '../../../src/edge/app-target.ts';
import { AppUses } from '../../../src/edge/app-uses.ts';
import { TenantState } from '../../../src/edge/tenant-state.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { buildPathRoutes, findApp } from '../../../src/edge/path-routes.ts';

const tenant = new TenantState(
  {
    tenant: 'acme' as TenantName,
    hosts: [],
    apps: [],
    limits: generousLimits,
    tls: { redirect: true, hstsSeconds: 0 },
  },
  1,
  0,
);

function routesTo(prefixes: Record<string, string>): (target: string) => string | undefined {
  const routes = buildPathRoutes(
    Object.entries(prefixes).map(([prefix, app]) => ({ prefix, target: new AppTarget(tenant, app as AppName, new AppUses()) })),
  );
  return (target) => {
    const found = findApp(routes, target);
    return found === 'ambiguous' ? found : found?.app;
  };
}

describe('a path leads to the app with the longest prefix', () => {
  const find = routesTo({ '/': 'site', '/api': 'api', '/api/v2/': 'next' });

  test.each([
    ['/', 'site'],
    ['/api', 'api'],
    ['/api/', 'api'],
    ['/api/x', 'api'],
    ['/api?x', 'api'],
    ['/apix', 'site'],
    ['/API', 'site'],
    ['/api/v2', 'next'],
    ['/api/v2/x', 'next'],
    ['/api/v20', 'api'],
    ['/x?/api/', 'site'],
    ['/?q=../api', 'site'],
    ['*', 'site'],
  ])('%s to %s', (target, app) => {
    expect(find(target)).toBe(app);
  });

  test('and to none where no prefix fits', () => {
    const find = routesTo({ '/api': 'api', '/web': 'web' });
    expect(find('/')).toBeUndefined();
    expect(find('/other')).toBeUndefined();
    expect(find('*')).toBeUndefined();
  });
});

describe('a path that can be read as another one', () => {
  const find = routesTo({ '/': 'site', '/api': 'api' });

  test.each([
    ['/%61pi/x', 'api'],
    ['/api/../x', 'site'],
    ['/x/../api/y', 'api'],
    ['/x/%2e%2e/api', 'api'],
    ['/x/.%2E/api', 'api'],
    ['/./api', 'api'],
    ['/../../api', 'api'],
    ['/api/x%2Fy', 'api'],
    ['/api//x', 'api'],
    ['/caf%C3%A9', 'site'],
    ['/100%', 'site'],
  ])('%s is looked up as it is normalised: %s', (target, app) => {
    expect(find(target)).toBe(app);
  });

  test.each([
    '//api',
    '/x/..%2fapi',
    '/x/..%5capi',
    '/api%2fx',
    '/x/..\\api',
    '\\api',
    '/%2561pi',
    '/x/..;a/api',
    '/api/%2e%2e%2fx',
    '/api/..%2f',
  ])('%s is taken by nobody, since apps differ in what they see there', (target) => {
    expect(find(target)).toBe('ambiguous');
  });

  test('is no matter where one app has every path', () => {
    expect(routesTo({ '/': 'site' })('/x/..%2fapi')).toBe('site');
  });
});
