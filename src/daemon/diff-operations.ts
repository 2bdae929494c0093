import { readdirSync } from 'node:fs';
import { messageOf } from '../base/errors.ts';
import type { AppName } from '../base/ids.ts';
import { localRelease } from '../base/release-ids.ts';
import { type DaemonConfig, loadDaemonConfig } from '../config/daemon-config.ts';
import { scanTenants, type TenantScan } from '../config/scan.ts';
import { parseTenantConfig } from '../config/tenant-config.ts';
import type { Template } from '../config/template-render.ts';
import { parseYaml } from '../config/yaml-source.ts';
import type { DiffResult } from '../protocol/template-calls.ts';
import type { ControlOperations } from './control-server.ts';
import { restartKeys } from './core.ts';
import { type AppDiffPicture, type DaemonPicture, findChanges, type TenantDiffPicture, type ValuePair } from './diff.ts';
import type { Paths } from './paths.ts';
import type { Store } from './store.ts';
import { toTenantMark } from './tenant-marks.ts';
import { planTemplate } from './template-plan.ts';
import type { Templates } from './templates.ts';
import type { Tenant } from './tenant.ts';

export interface DiffOperationParts {
  paths: Paths;
  store: Pick<Store, 'configTextOf' | 'lifecycle' | 'marks' | 'templates'>;
  templates: Templates;
  configFile: string;
  /** With which it was started. */
  config: () => DaemonConfig;
  currentPlans: () => Pick<DaemonConfig, 'plans' | 'defaultPlan'>;
  /** Only new edges can carry out what tenantd.yaml says of them. */
  edgesAreOutdated: () => boolean;
  tenants: () => Tenant[];
  tenantOf: (name: string) => Tenant;
}

/** Reads what is on the disk now, and compares it with what is carried out: `findChanges` is all that decides. */
export function createDiffOperations(parts: DiffOperationParts): Pick<ControlOperations, 'diff'> {
  const { paths, store, templates } = parts;

  async function pictureDaemon(): Promise<DaemonPicture> {
    const { config: wanted, problems } = await loadDaemonConfig(parts.configFile);
    const running = parts.config();
    const same: ValuePair = { from: undefined, to: undefined };
    if (!wanted) return { file: parts.configFile, problems, restart: same, edges: same };
    const keys = restartKeys(running, wanted);
    const edges = parts.edgesAreOutdated() ? { from: running.edge, to: wanted.edge } : same;
    return {
      ...{ file: parts.configFile, problems: [], restart: { from: pick(running, keys), to: pick(wanted, keys) } },
      edges: edges === same ? same : { from: { edge: edges.from }, to: { edge: edges.to } },
    };
  }

  function readDisk(scan: TenantScan): NonNullable<TenantDiffPicture['disk']> {
    const { plans, defaultPlan } = parts.currentPlans();
    const ofFile = scan.problems.filter(({ file }) => file === scan.file);
    if (scan.text === undefined) return { value: undefined, problems: ofFile, apps: scan.apps };
    const { config, problems } = parseTenantConfig(scan.text, scan.file, { tenant: scan.name, plans, defaultPlan });
    return { value: valueOf(scan.text), problems: config ? [] : problems, apps: scan.apps };
  }

  async function pictureTenant(name: Tenant['name'], scan: TenantScan | undefined, read: ReadTemplate): Promise<TenantDiffPicture> {
    const tenant = parts.tenants().find((one) => one.name === name);
    const desired = tenant?.picture.desired();
    const disk = scan && readDisk(scan);
    const mark = store.marks.of(name);
    const applied = desired && { value: valueOf(store.configTextOf(name) ?? ''), apps: desired.apps.map(({ app }) => app) };
    // Nothing is carried out of one that is being removed.
    const known = mark && !applied && disk ? { value: disk.value, apps: disk.apps ?? [] } : applied;
    const template = scan && (await pictureTemplate(name, read));
    return {
      tenant: name,
      ...(disk && { disk }),
      ...(known && { applied: known }),
      ...(mark && { mark: toTenantMark(mark) }),
      refused: refusedOf(tenant),
      apps: tenant && desired ? desired.apps.map(({ app, release }) => pictureApp(tenant, app, release)) : [],
      ...(template && { template }),
    };
  }

  function pictureApp({ name, picture }: Tenant, app: AppName, release: string): AppDiffPicture {
    const workers = store.lifecycle.scaleOf(name, app);
    const manifest = picture.apps().get(app)?.order.manifest.workers ?? { min: 1, max: 1 };
    return {
      ...{ app, stopped: picture.isStopped(app), problems: picture.problems().filter((problem) => problem.app === app) },
      ...(workers !== undefined && { scale: { workers, manifest } }),
      ...(release !== localRelease && hasOwnFiles(paths.appDirOf(name, app)) && { releaseOverLocal: release }),
    };
  }

  async function pictureTemplate(tenant: Tenant['name'], read: ReadTemplate): Promise<TenantDiffPicture['template']> {
    const row = store.templates.get(tenant);
    if (!row) return undefined;
    try {
      const request = { tenant, tenantDir: paths.tenantDirOf(tenant), template: await read(row.template), row, set: {}, force: false };
      const { changes } = await planTemplate(templates, request);
      const files = changes.map(({ path, kind, conflict }) => ({ path, kind, ...(conflict !== undefined && { conflict }) }));
      return { name: row.template, files };
    } catch (error) {
      return { name: row.template, files: [], fault: messageOf(error) };
    }
  }

  return {
    async diff({ tenant: only }): Promise<DiffResult> {
      const scan = await scanTenants(paths.tenantsDir);
      const scans = new Map(scan.tenants.map((one) => [one.name, one]));
      const known = parts.tenants().flatMap(({ name, picture }) => (picture.desired() ? [name] : []));
      const names = [...new Set([...scans.keys(), ...known])].toSorted();
      const wanted = only === undefined ? names : names.filter((name) => name === only);
      // It says that there is none.
      if (only !== undefined && wanted.length === 0) parts.tenantOf(only);
      const read = readOnce((name) => templates.read(name));
      const tenants: TenantDiffPicture[] = [];
      for (const name of wanted) tenants.push(await pictureTenant(name, scans.get(name), read));
      const nothing: DaemonPicture = { file: '', problems: [], restart: noPair, edges: noPair };
      return { changes: findChanges({ daemon: only === undefined ? await pictureDaemon() : nothing, tenants }) };
    },
  };
}

const noPair: ValuePair = { from: undefined, to: undefined };
type ReadTemplate = (name: string) => Promise<Template>;

/** Many tenants are made from one. */
function readOnce(read: ReadTemplate): ReadTemplate {
  let last: { name: string; template: Promise<Template> } | undefined;
  return (name) => {
    if (last?.name !== name) last = { name, template: read(name) };
    return last.template;
  };
}

function refusedOf(tenant: Tenant | undefined): TenantDiffPicture['refused'] {
  const desired = tenant?.picture.desired();
  if (!desired) return [];
  const had = new Set(desired.domains.map(({ name }) => name));
  const refused = desired.config.domains.filter(({ name }) => !had.has(name));
  return refused.map(({ name }) => ({ domain: name, why: whyOf(name, desired.problems) }));
}

function whyOf(domain: string, problems: readonly { message: string }[]): string {
  return problems.find(({ message }) => message.includes(domain))?.message ?? 'another tenant has it';
}

function valueOf(text: string): unknown {
  return parseYaml(text, '').source?.value;
}

function pick(config: DaemonConfig, keys: readonly (keyof DaemonConfig)[]): Record<string, unknown> {
  return Object.fromEntries(keys.map((key) => [key, config[key]]));
}

/** Names alone are looked at, in a folder of root's own. */
function hasOwnFiles(appDir: string): boolean {
  try {
    return readdirSync(appDir).some((name) => !['releases', 'current', 'current.new'].includes(name));
  } catch {
    return false; // it has gone meanwhile
  }
}
