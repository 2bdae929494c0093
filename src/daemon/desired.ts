import type { AppName, TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import type { TenantConfig } from '../config/tenant-config.ts';

/** A directory in a tenant's `apps/`. */
export interface AppFolder {
  app: AppName;
  /** Its device, inode and birth, or the id of its release: another directory of the same name is another app to run. */
  folderId: string;
  /** That is current, by the link on the disk: its id, or `local` for the folder itself. */
  release: string;
}

/** One tenant as its operator's files want it: the last good version of them. */
export interface DesiredTenant {
  tenant: TenantName;
  config: TenantConfig;
  /** Those of its domains that no other tenant had first. */
  domains: TenantConfig['domains'];
  apps: readonly AppFolder[];
  /** The same of `apps/`, or '' when there is none. */
  appsDirId: string;
  appsDir: string;
  /** Who has the tenant's domains, and the names below its wildcards. */
  owners: ReadonlyMap<string, TenantName>;
  /** Tenants that let it read what they share. */
  sharedBy: readonly TenantName[];
  /** Of its files. */
  problems: readonly Problem[];
  /** Nothing of it is to run, and its hosts say so. */
  suspended: boolean;
}
