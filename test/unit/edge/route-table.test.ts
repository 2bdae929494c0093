import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { findApp } from '../../../src/edge/path-routes.ts';
import { Deadlines } from '../../../src/edge/deadlines.ts';
import { defaultLimits } from '../../../src/edge/limits.ts';
import { RouteTable } from '../../../src/edge/route-table.ts';
import { Upstreams } from '../../../src/edge/upstreams.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import type { AppRoute, HostRoute, TenantRoutes } from '../../../src/protocol/edge.ts';

let deadlines: Deadlines;
let table: RouteTable;

beforeEach(() => {
  deadlines = new Deadlines(1_000);
  table = new RouteTable(new Upstreams('/nowhere', deadlines, defaultLimits));
});
afterEach(() => deadlines.stop());

const site = 'site' as AppName;
const plain = { release: 'local', compress: false };
const ready = (...ids: string[]): AppRoute => ({
  app: site,
  state: 'ready',
  upstreams: ids.map((id) => ({ id, socket: `t/${id}.sock` })),
  ...plain,
});

function tenantRoutes(tenant: string, hosts: (string | HostRoute)[], app: AppRoute = ready('one')): TenantRoutes {
  return {
    tenant: tenant as TenantName,
    hosts: hosts.map((host) => (typeof host === 'string' ? { host, paths: [{ prefix: '/', app: site }] } : host)),
    apps: [app],
    limits: generousLimits,
    tls: { redirect: true, hstsSeconds: 0 },
  };
}

const owner = (host: string): string | undefined => table.findHost(host)?.tenant.name;

function targetOf(host: string) {
  const entry = table.findHost(host);
  const found = entry && findApp(entry.paths, '/');
  if (!found || found === 'ambiguous') throw new Error(`${host} has no app`);
  return found;
}

describe('a host', () => {
  test('is found exactly before any wildcard, and by the longest wildcard', () => {
    table.setTenant(tenantRoutes('wide', ['*.example.com']));
    table.setTenant(tenantRoutes('narrow', ['*.shops.example.com']));
    table.setTenant(tenantRoutes('exact', ['a.shops.example.com']));
    expect(owner('a.shops.example.com')).toBe('exact');
    expect(owner('b.shops.example.com')).toBe('narrow');
    expect(owner('x.y.shops.example.com')).toBe('narrow');
    expect(owner('shops.example.com')).toBe('wide');
    expect(owner('example.com')).toBeUndefined();
    expect(owner('badexample.com')).toBeUndefined();
    expect(owner('')).toBeUndefined();
  });

  test('may be an address', () => {
    table.setTenant(tenantRoutes('numbers', ['192.0.2.1', '[2001:DB8::1]', '::1']));
    expect(owner('192.0.2.1')).toBe('numbers');
    expect(owner('[2001:db8::1]')).toBe('numbers');
    expect(owner('[::1]')).toBe('numbers');
  });

  test('can be an alias of another', () => {
    table.setTenant(tenantRoutes('acme', ['acme.example', { host: 'www.acme.example', redirectTo: 'acme.example' }]));
    expect(table.findHost('www.acme.example')?.redirectTo).toBe('acme.example');
  });

  test('that moved to another tenant stays there when the first is set again or removed', () => {
    table.setTenant(tenantRoutes('first', ['shared.example', 'first.example']));
    table.setTenant(tenantRoutes('second', ['shared.example']));
    table.setTenant(tenantRoutes('first', ['first.example']));
    expect(owner('shared.example')).toBe('second');
    table.removeTenant('first' as TenantName);
    expect(owner('shared.example')).toBe('second');
    expect(owner('first.example')).toBeUndefined();
  });
});

describe('a snapshot', () => {
  test('removes at its end the tenants that were not in it, and no earlier', () => {
    table.setTenant(tenantRoutes('old', ['old.example']));
    table.setTenant(tenantRoutes('kept', ['kept.example']));
    table.beginSnapshot();
    table.setTenant(tenantRoutes('kept', ['kept.example']));
    table.setTenant(tenantRoutes('new', ['new.example']));
    expect(owner('old.example')).toBe('old');
    table.endSnapshot();
    expect([owner('old.example'), owner('kept.example'), owner('new.example')]).toEqual([undefined, 'kept', 'new']);
  });

  test('that was broken off removes nobody', () => {
    table.setTenant(tenantRoutes('old', ['old.example']));
    table.beginSnapshot();
    table.beginSnapshot();
    table.setTenant(tenantRoutes('old', ['old.example']));
    table.endSnapshot();
    table.endSnapshot();
    expect(owner('old.example')).toBe('old');
  });
});

describe('an app', () => {
  test('stays the same object, with the same upstream, while it is routed', () => {
    table.setTenant(tenantRoutes('acme', ['a.example'], ready('one', 'two')));
    const target = targetOf('a.example');
    const [one] = target.pools;
    table.setTenant(tenantRoutes('acme', ['b.example'], ready('one')));
    expect(targetOf('b.example')).toBe(target);
    expect(target.pools).toEqual([one]);
    expect(one?.listed).toBe(true);
  });

  test('lets held requests go on when it is ready, and when it is gone', () => {
    table.setTenant(tenantRoutes('acme', ['a.example'], { app: site, state: 'starting', upstreams: [], ...plain }));
    const target = targetOf('a.example');
    const states: string[] = [];
    const request = { onAppChanged: () => states.push(target.state) };
    target.hold(request);
    table.setApp({ tenant: 'acme' as TenantName, ...ready('one') });
    expect(states).toEqual(['ready']);
    table.setApp({ tenant: 'acme' as TenantName, app: site, state: 'starting', upstreams: [], ...plain });
    target.hold(request);
    table.removeTenant('acme' as TenantName);
    expect(states).toEqual(['ready', 'stopped']);
  });

  test('that is ready but has no upstream counts as starting', () => {
    table.setTenant(tenantRoutes('acme', ['a.example'], ready()));
    expect(targetOf('a.example').state).toBe('starting');
  });

  test('of a tenant that is not routed is not made up', () => {
    table.setApp({ tenant: 'ghost' as TenantName, ...ready('one') });
    expect(table.findHost('ghost')).toBeUndefined();
  });
});
