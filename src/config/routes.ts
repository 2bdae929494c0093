import type { AppName, TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import type { Route } from './app-values.ts';
import { capProblems } from './cap-problems.ts';
import { wildcardsOver } from './domain-name.ts';
import { placed } from './placed.ts';
import type { TenantDomain } from './tenant-schema.ts';
import type { Position } from './yaml-source.ts';

/** The shape of protocol/edge.ts, said again: config knows no process. */
export interface PathRoute {
  prefix: string;
  app: AppName;
}
export type HostRoute = { host: string; paths: PathRoute[] } | { host: string; redirectTo: string };

/** A manifest, as far as it matters here. */
export interface RoutedApp {
  routes?: readonly Route[];
  /** For problems: app.yaml, and where each route stands in it. */
  file?: string;
  routePositions?: readonly Position[];
}

export interface RouteRequest {
  tenant: TenantName;
  /** Those that `claimDomains` accepted. */
  domains: readonly TenantDomain[];
  /** Of all tenants' domains: a name below a wildcard of this tenant may be another's. */
  owners: ReadonlyMap<string, TenantName>;
  apps: ReadonlyMap<AppName, RoutedApp>;
}

export interface RouteResult {
  hosts: HostRoute[];
  problems: Problem[];
  urlsByApp: Map<AppName, Route[]>;
}

/**
 * Which app answers where. The first app by name keeps a route that two claim. One app without routes takes "/" wherever no
 * other app has it; a second one would have nothing left. A domain without an app is there all the same, and answers 404.
 */
export function routesOf(request: RouteRequest): RouteResult {
  const apps = [...request.apps].map(named).sort((a, b) => (a.app < b.app ? -1 : 1));
  const served = request.domains.filter(({ redirectTo }) => redirectTo === undefined).map(({ name }) => name);
  const table = new Map(served.map((host) => [host, new Map<string, AppName>()]));
  const problems = capProblems([...addWrittenRoutes(apps, request, table), ...addDefaultRoutes(apps, request.tenant, served, table)]);

  const redirects = request.domains.flatMap(({ name, redirectTo }) => (redirectTo === undefined ? [] : [{ host: name, redirectTo }]));
  const hosts = [...table].map(([host, paths]) => ({
    host,
    paths: [...paths].map(([prefix, app]) => ({ prefix, app })).sort(longestFirst),
  }));
  return { hosts: [...hosts, ...redirects], problems, urlsByApp: urlsOf(apps, hosts) };
}

type NamedApp = RoutedApp & { app: AppName };
function named([app, routed]: [AppName, RoutedApp]): NamedApp {
  return { app, ...routed };
}

type Table = Map<string, Map<string, AppName>>;

function addWrittenRoutes(apps: readonly NamedApp[], request: RouteRequest, table: Table): Problem[] {
  return apps.flatMap((app) =>
    (app.routes ?? []).flatMap((written, index): Problem[] => {
      const route = { ...written, host: standIn(written.host, request.domains) };
      const fault = hostFault(route.host, request) ?? addRoute(table, route, app.app);
      return fault ? [{ ...fault, ...placeOf(app, request.tenant, index) }] : [];
    }),
  );
}

/** The domain that is there instead of one that a route names. */
function standIn(host: string, domains: readonly TenantDomain[]): string {
  const exact = domains.find(({ insteadOf }) => insteadOf === host);
  if (exact) return exact.name;
  const over = domains.find(
    ({ name, insteadOf }) => insteadOf?.startsWith('*.') && name.startsWith('*.') && host.endsWith(insteadOf.slice(1)),
  );
  return over?.insteadOf === undefined ? host : host.slice(0, 1 - over.insteadOf.length) + over.name.slice(1);
}

type Fault = Pick<Problem, 'code' | 'message' | 'fix'>;

function hostFault(host: string, { tenant, domains, owners }: RouteRequest): Fault | undefined {
  const own = domains.find(({ name }) => name === host);
  if (own?.redirectTo !== undefined) {
    const message = `"${host}" redirects to "${own.redirectTo}", so no app can answer there`;
    return { code: 'TENANTD_E_FOREIGN_HOST', message, fix: `use "${own.redirectTo}"` };
  }
  if (own || isBelowOwnWildcard(host, tenant, domains, owners)) return undefined;
  const message = `"${host}" is none of the tenant's domains`;
  return { code: 'TENANTD_E_FOREIGN_HOST', message, fix: 'list it under `domains` in tenant.yaml, or use one that is there' };
}

/** The nearest name that anyone owns decides, as it does when a request comes. */
function isBelowOwnWildcard(
  host: string,
  tenant: TenantName,
  domains: readonly TenantDomain[],
  owners: ReadonlyMap<string, TenantName>,
): boolean {
  if (owners.has(host)) return false;
  const nearest = wildcardsOver(host).find((wildcard) => owners.has(wildcard) || domains.some(({ name }) => name === wildcard));
  const own = domains.find(({ name }) => name === nearest);
  return own !== undefined && own.redirectTo === undefined && (owners.get(own.name) ?? tenant) === tenant;
}

function addRoute(table: Table, { host, path }: Route, app: AppName): Fault | undefined {
  const paths = table.get(host) ?? new Map<string, AppName>();
  table.set(host, paths);
  const first = paths.get(path);
  if (first === undefined) paths.set(path, app);
  if (first === undefined || first === app) return undefined;
  const message = `the route "${host}${path}" is the app ${first}'s already`;
  return { code: 'TENANTD_E_ROUTE_CONFLICT', message, fix: 'give one of the two apps another path or host' };
}

function addDefaultRoutes(apps: readonly NamedApp[], tenant: TenantName, served: readonly string[], table: Table): Problem[] {
  const [first, ...others] = apps.filter(({ routes }) => routes === undefined);
  if (!first) return [];
  const free = served.filter((host) => !table.get(host)?.has('/'));
  for (const host of free) table.get(host)?.set('/', first.app);
  const without = served.length > 0 && free.length === 0 ? [first, ...others] : others;
  const message = 'the app has no routes, and another app answers at "/" on every domain';
  const fix = 'add `routes` to its app.yaml';
  return without.map((app) => placed({ code: 'TENANTD_E_ROUTE_CONFLICT', message, fix }, placeOf(app, tenant)));
}

function placeOf({ app, file, routePositions }: NamedApp, tenant: TenantName, index?: number): Partial<Problem> {
  return { tenant, app, ...(file === undefined ? {} : { file }), ...(index === undefined ? {} : routePositions?.[index]) };
}

function longestFirst(a: PathRoute, b: PathRoute): number {
  return b.prefix.length - a.prefix.length || (a.prefix < b.prefix ? -1 : 1);
}

function urlsOf(apps: readonly NamedApp[], hosts: readonly { host: string; paths: PathRoute[] }[]): Map<AppName, Route[]> {
  const urls = hosts.flatMap(({ host, paths }) => paths.map(({ prefix, app }) => ({ app, url: { host, path: prefix } })));
  return new Map(apps.map(({ app }) => [app, urls.filter((entry) => entry.app === app).map(({ url }) => url)]));
}
