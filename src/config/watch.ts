import { type FSWatcher, readdirSync, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errnoOf, messageOf } from '../base/errors.ts';
import { isAppName, isTenantName, type TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { createSettler } from './settle.ts';
import { idOf, watchFolder } from './watch-folder.ts';

/** Whatever changes from now on is told. */
export interface Watch {
  close(): void;
}

export interface TenantsHandlers {
  /** Something of this tenant changed, came or went: tenant.yaml, a certificate or key beside it, its folder, or the names in `apps/`. */
  onTenant(name: TenantName): void;
  /** `tenantsDir` itself came or went: look at everything. */
  onAll(): void;
  /** Changes may be missed from now on; `reload` still sees them. */
  onProblem?(problem: Problem): void;
}

const settling = { quietMs: 25, maxMs: 500 } as const;

const tenantsDirItself = Symbol('tenantsDir');

/** Of one tenant: its own folder, and its `apps/` when there is one. */
interface TenantWatch {
  id: string;
  watcher: FSWatcher;
}

/**
 * Watches what `scanTenants` reads: tenantsDir, each tenant's folder, tenant.yaml, certificates and the names in `apps/`, never
 * anything in an app (Invariant 1). Takes one inotify watch, and two more a tenant.
 */
export function watchTenants(tenantsDir: string, handlers: TenantsHandlers): Watch {
  const folders = new Map<string, TenantWatch>();
  const settler = createSettler<TenantName | typeof tenantsDirItself>({ ...settling, onSettled });
  const root = watchFolder(tenantsDir, {
    onName(name) {
      if (!isTenantName(name)) return;
      suspect(join(tenantsDir, name));
      settler.touch(name);
    },
    onFolder: () => settler.touch(tenantsDirItself),
    onError: tell,
  });
  followAll();

  function onSettled(key: TenantName | typeof tenantsDirItself): void {
    if (key !== tenantsDirItself) {
      // Before it is read: so what changes while it is read is told again.
      followTenant(key);
      return handlers.onTenant(key);
    }
    followAll();
    handlers.onAll();
  }

  function followAll(): void {
    const names = root.isThere() ? readNames(tenantsDir) : [];
    const left = new Set([...folders.keys()].map((dir) => dir.slice(tenantsDir.length + 1).split('/')[0] ?? ''));
    for (const name of new Set([...names, ...left])) if (isTenantName(name)) followTenant(name);
  }

  function followTenant(name: TenantName): void {
    const dir = join(tenantsDir, name);
    const apps = join(dir, 'apps');
    follow(dir, (file) => {
      if (file === 'apps') suspect(apps);
      if (isOfInterest(file)) settler.touch(name);
    });
    follow(apps, (file) => isAppName(file) && settler.touch(name));
  }

  /** Another may have its name, even its inode. */
  function suspect(dir: string): void {
    const known = folders.get(dir);
    if (known) known.id = '';
  }

  /** The folder that has this name now; none when there is none. */
  function follow(dir: string, hear: (name: string) => void): void {
    const id = idOf(dir);
    const known = folders.get(dir);
    if (known && id !== '' && known.id === id) return;
    known?.watcher.close();
    folders.delete(dir);
    if (id === '') return;
    try {
      const watcher = watch(dir, (_, name) => hear(name ?? ''));
      folders.set(dir, { id, watcher: watcher.on('error', tell) });
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') tell(error);
    }
  }

  function tell(error: unknown): void {
    handlers.onProblem?.(watchProblem(tenantsDir, error));
  }

  return {
    close() {
      settler.stop();
      root.close();
      for (const { watcher } of folders.values()) watcher.close();
      folders.clear();
    },
  };
}

/** Watches one file by name: also when it is put in place by a rename, goes, and comes again. */
export function watchDaemonConfig(file: string, handlers: { onDaemonConfig(): void; onProblem?(problem: Problem): void }): Watch {
  const settler = createSettler<string>({ ...settling, onSettled: () => handlers.onDaemonConfig() });
  const folder = watchFolder(dirname(file), {
    onName: (name) => name === basename(file) && settler.touch(file),
    onFolder: () => settler.touch(file),
    onError: (error) => handlers.onProblem?.(watchProblem(file, error)),
  });
  return {
    close() {
      settler.stop();
      folder.close();
    },
  };
}

/** None when it can't be read: the scan tells why. */
function readNames(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

/** In a tenant's folder. */
function isOfInterest(name: string): boolean {
  return name === 'tenant.yaml' || name === 'apps' || isCertificate(name);
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
