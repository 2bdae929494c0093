import { relative } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import { errnoOf, messageOf } from '../base/errors.ts';
import { isAppName, isTenantName, type TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { createSettler } from './settle.ts';

export interface Watch {
  /** The first look at everything is done: whatever changes from now on is told. */
  ready: Promise<void>;
  close(): Promise<void>;
}

export interface TenantsHandlers {
  /** Something of this tenant changed, came or went: tenant.yaml, a certificate or key beside it, its folder, or the names in `apps/`. */
  onTenant(name: TenantName): void;
  /** `tenantsDir` itself came or went: look at everything. */
  onAll(): void;
  /** Changes may be missed from now on; `reload` still sees them. */
  onProblem?(problem: Problem): void;
}

const settling = { quietMs: 60, maxMs: 500 } as const;
const watchOptions = { ignoreInitial: true, followSymlinks: false, atomic: false, ignorePermissionErrors: true } as const;
/** tenantsDir, a tenant, its `apps/`: the folders whose names are watched. */
const watchedDepth = 2;

const tenantsDirItself = Symbol('tenantsDir');

/**
 * Watches what `scanTenants` reads: tenantsDir, each tenant's folder, tenant.yaml, certificates and the names in `apps/`, never
 * anything in an app (Invariant 1). Takes one inotify watch, and two more a tenant.
 */
export function watchTenants(tenantsDir: string, handlers: TenantsHandlers): Watch {
  let watcher = start();
  let outdated = false;
  const settler = createSettler<TenantName | typeof tenantsDirItself>({
    ...settling,
    onSettled: (key) => (key === tenantsDirItself ? settleAll() : handlers.onTenant(key)),
  });

  function start(): FSWatcher {
    const ignored = (path: string): boolean => !isOfInterest(partsOf(tenantsDir, path));
    return watch(tenantsDir, { ...watchOptions, depth: watchedDepth, ignored })
      .on('all', hear)
      .on('error', (error) => handlers.onProblem?.(watchProblem(tenantsDir, error)));
  }

  function hear(event: string, path: string): void {
    const [tenant] = partsOf(tenantsDir, path);
    if (tenant === undefined) {
      outdated ||= event === 'addDir';
      settler.touch(tenantsDirItself);
    } else if (isTenantName(tenant)) settler.touch(tenant);
  }

  /** chokidar 6.0 counts `depth` from one level up once its root was put there again, and misses `apps/`: begin anew. */
  function settleAll(): void {
    if (!outdated) return handlers.onAll();
    outdated = false;
    void watcher.close();
    watcher = start();
    watcher.once('ready', () => handlers.onAll());
  }

  return asWatch(watcher, async () => {
    settler.stop();
    await watcher.close();
  });
}

/** Watches one file by name: also when it is put in place by a rename, goes, and comes again. */
export function watchDaemonConfig(file: string, handlers: { onDaemonConfig(): void; onProblem?(problem: Problem): void }): Watch {
  const settler = createSettler<string>({ ...settling, onSettled: () => handlers.onDaemonConfig() });
  const watcher = watch(file, watchOptions);
  watcher.on('all', () => settler.touch(file));
  watcher.on('error', (error) => handlers.onProblem?.(watchProblem(file, error)));
  return asWatch(watcher, async () => {
    settler.stop();
    await watcher.close();
  });
}

function asWatch(watcher: FSWatcher, close: () => Promise<void>): Watch {
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  watcher.once('ready', resolve);
  return { ready, close: () => close().finally(resolve) };
}

/** The names from tenantsDir down to `path`. */
function partsOf(tenantsDir: string, path: string): string[] {
  return relative(tenantsDir, path)
    .split('/')
    .filter((part) => part !== '');
}

function isOfInterest([tenant, name, app, ...deeper]: string[]): boolean {
  if (tenant === undefined) return true;
  if (!isTenantName(tenant) || deeper.length > 0) return false;
  if (name === undefined) return true;
  if (name === 'tenant.yaml' || isCertificate(name)) return app === undefined;
  return name === 'apps' && (app === undefined || isAppName(app));
}

/** By the endings in use, without having read which files tenant.yaml names; others are seen by `reload`. */
function isCertificate(name: string): boolean {
  return /\.(?:pem|crt|cer|key)$/.test(name);
}

function watchProblem(file: string, error: unknown): Problem {
  const full = errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EMFILE';
  const fix = full
    ? 'raise fs.inotify.max_user_watches and max_user_instances (sysctl), then reload'
    : 'run `tenantctl reload` after changes';
  return { code: 'TENANTD_E_FILE_UNREADABLE', message: `changes can not be watched: ${messageOf(error)}`, fix, file };
}
