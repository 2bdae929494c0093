import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { type AppName, isTenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { linkTextOf, localRelease } from '../base/release-ids.ts';
import { type CertificateText, readCertificate } from './certificate-files.ts';
import { type DaemonConfig, loadDaemonConfig } from './daemon-config.ts';
import { claimDomains } from './domains.ts';
import { type ManifestResult, readManifest } from './manifest.ts';
import { placed } from './placed.ts';
import { quote } from './quote.ts';
import { type RoutedApp, routesOf } from './routes.ts';
import { scanTenant, scanTenants, type TenantScan } from './scan.ts';
import { parseTenantConfig, type TenantConfig, type TenantConfigResult } from './tenant-config.ts';

export interface CheckResult {
  /** Of all files, by file and line. */
  problems: Problem[];
  tenants: number;
  apps: number;
}

/** What is wrong with a tenant's own certificate, and the names that it should cover, as sentences. Not here: root loads this folder. */
export type JudgeCertificate = (text: CertificateText, names: readonly string[]) => string[];

interface Surroundings {
  plans: DaemonConfig['plans'] | undefined;
  defaultPlan: string;
  closedDirs: readonly string[];
  judge: JudgeCertificate;
}
/** Without tenantd.yaml nobody knows the plans: any name will do. */
const anyPlan = { plans: undefined, defaultPlan: 'starter', closedDirs: [] };

/**
 * What `tenantctl check DIR` finds. DIR holds tenantd.yaml, or is a folder of tenants, or one tenant's. Needs no daemon; an
 * operator runs it on files of their own, so app.yaml is read here too, without a sandbox (still following no link out).
 */
export async function checkDirectory(dir: string, judge: JudgeCertificate = () => []): Promise<CheckResult> {
  const names = new Set(await readdir(dir).catch(() => [])); // A folder that can't be read is told of by the scan.
  const result = names.has('tenantd.yaml') ? await checkAll(join(dir, 'tenantd.yaml'), judge) : await checkTenantsOf(dir, names, judge);
  return { ...result, problems: result.problems.sort(byPlace) };
}

async function checkAll(file: string, judge: JudgeCertificate): Promise<CheckResult> {
  const { config, problems } = await loadDaemonConfig(file);
  if (!config) return { problems, tenants: 0, apps: 0 };
  const { tenantsDir, stateDir, runDir, logDir, plans, defaultPlan } = config;
  const found = await checkTenants(tenantsDir, { plans, defaultPlan, closedDirs: [tenantsDir, stateDir, runDir, logDir], judge });
  return { ...found, problems: [...problems, ...found.problems] };
}

async function checkTenantsOf(dir: string, names: ReadonlySet<string>, judge: JudgeCertificate): Promise<CheckResult> {
  if (!names.has('tenant.yaml') && !names.has('apps')) return checkTenants(dir, { ...anyPlan, judge });
  const full = resolve(dir);
  const name = basename(full);
  if (!isTenantName(name)) return { problems: [badName(dir, name)], tenants: 0, apps: 0 };
  const scan = await scanTenant(dirname(full), name);
  return checkScans(scan ? [scan] : [], { ...anyPlan, judge });
}

async function checkTenants(tenantsDir: string, surroundings: Surroundings): Promise<CheckResult> {
  const { tenants, problems } = await scanTenants(tenantsDir);
  const found = await checkScans(tenants, surroundings);
  return { ...found, problems: [...problems, ...found.problems] };
}

interface Checked {
  scan: TenantScan;
  config: TenantConfigResult;
  certificate: Problem[];
  manifests: Map<AppName, ManifestResult>;
}

async function checkScans(scans: readonly TenantScan[], surroundings: Surroundings): Promise<CheckResult> {
  const checked: Checked[] = [];
  for (const scan of scans) {
    const config = configOf(scan, surroundings);
    const certificate = await checkCertificate(scan, config.config, surroundings);
    checked.push({ scan, config, certificate, manifests: await readManifests(scan) });
  }
  const own = checked.flatMap(({ scan, config, certificate, manifests }) => [
    ...scan.problems,
    ...config.problems,
    ...certificate.map((problem) => placed(problem, { tenant: scan.name })),
    ...[...manifests.values()].flatMap(({ problems }) => problems.map((problem) => placed(problem, { tenant: scan.name }))),
  ]);
  const apps = checked.reduce((count, { manifests }) => count + manifests.size, 0);
  return { problems: [...own, ...checkTogether(checked)], tenants: scans.length, apps };
}

function configOf({ name, text, file }: TenantScan, { plans, defaultPlan }: Surroundings): TenantConfigResult {
  return text === undefined ? { positions: new Map(), problems: [] } : parseTenantConfig(text, file, { tenant: name, plans, defaultPlan });
}

async function checkCertificate(
  { dir, file }: TenantScan,
  config: TenantConfig | undefined,
  { closedDirs, judge }: Surroundings,
): Promise<Problem[]> {
  const files = config?.tls.files;
  if (!files) return [];
  const { text, problem } = await readCertificate(files, { dir, file, closedDirs });
  if (problem) return [problem];
  const names = config.domains.map(({ name }) => name);
  const fix = 'put a certificate for its domains and its key in place, as PEM';
  return judge(text, names).map((fault) => {
    const message = `\`tls.certificate\`, ${files.certificate}: ${fault}`;
    return { code: 'TENANTD_E_CERTIFICATE', message, fix, file, line: files.line, column: files.column };
  });
}

async function readManifests(scan: TenantScan): Promise<Map<AppName, ManifestResult>> {
  const entries = (scan.apps ?? []).map(async (app) => [app, await readManifest(codeDirOf(scan, app), app)] as const);
  return new Map(await Promise.all(entries));
}

/** Of the current release. */
function codeDirOf({ dir, releases }: TenantScan, app: AppName): string {
  const release = releases.get(app) ?? localRelease;
  return join(dir, 'apps', app, ...(release === localRelease ? [] : [linkTextOf(release)]));
}

/** Domains that several tenants claim, and routes. */
function checkTogether(checked: readonly Checked[]): Problem[] {
  const claims = checked.map(({ scan, config }) => ({
    tenant: scan.name,
    domains: config.config?.domains ?? [],
    file: scan.file,
    positions: config.positions,
  }));
  const { accepted, owners, problems } = claimDomains(claims, new Map());
  const ofRoutes = checked
    .filter(({ config }) => config.config)
    .flatMap(({ scan, manifests }) => {
      const apps = new Map([...manifests].flatMap(([app, result]) => routedApp(join(codeDirOf(scan, app), 'app.yaml'), app, result)));
      return routesOf({ tenant: scan.name, domains: accepted.get(scan.name) ?? [], owners, apps }).problems;
    });
  return [...problems, ...ofRoutes];
}

function routedApp(file: string, app: AppName, { manifest, routePositions }: ManifestResult): [AppName, RoutedApp][] {
  if (!manifest) return [];
  const { routes } = manifest;
  return [[app, { file, ...(routes && { routes }), ...(routePositions && { routePositions }) }]];
}

function badName(file: string, name: string): Problem {
  const fix = 'rename the folder to at most 32 of a-z, 0-9 and "-", a letter first';
  return { code: 'TENANTD_E_BAD_NAME', message: `${quote(name)} is no tenant name`, fix, file };
}

function byPlace(a: Problem, b: Problem): number {
  const [left, right] = [a.file ?? '', b.file ?? ''];
  if (left !== right) return left < right ? -1 : 1;
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}
