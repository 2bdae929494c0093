import type { AppName, TenantName } from '../base/ids.ts';
import type { StateDatabase } from './state-database.ts';
import { upsert } from './upsert.ts';

/** What the operator, or time, made of apps: a part of the state store. */
export interface LifecycleRows {
  isStopped(tenant: TenantName, app: AppName): boolean;
  setStopped(tenant: TenantName, app: AppName, stopped: boolean): void;
  /** Since when it sleeps, as Unix time in ms. */
  asleepSince(tenant: TenantName, app: AppName): number | undefined;
  /** Undefined: it is awake. */
  setAsleep(tenant: TenantName, app: AppName, sinceMs: number | undefined): void;
  /** The operator's number of workers, over that of app.yaml. */
  scaleOf(tenant: TenantName, app: AppName): number | undefined;
  setScale(tenant: TenantName, app: AppName, workers: number | undefined): void;
}

export const lifecycleTables = `
  CREATE TABLE asleep_apps (tenant TEXT NOT NULL, app TEXT NOT NULL, since_ms INTEGER NOT NULL, PRIMARY KEY (tenant, app)) STRICT;
  CREATE TABLE app_scales (tenant TEXT NOT NULL, app TEXT NOT NULL, workers INTEGER NOT NULL, PRIMARY KEY (tenant, app)) STRICT;`;

export function createLifecycleRows(database: StateDatabase): LifecycleRows {
  const numberOf = (sql: string, tenant: TenantName, app: AppName): number | undefined => {
    const row = database.prepare(sql).get(tenant, app);
    return row && Number(Object.values(row)[0]);
  };
  const run = (sql: string, ...values: (string | number)[]): void => void database.prepare(sql).run(...values);

  return {
    isStopped: (tenant, app) => numberOf('SELECT 1 FROM stopped_apps WHERE tenant = ? AND app = ?', tenant, app) !== undefined,
    setStopped: (tenant, app, stopped) =>
      stopped
        ? run(upsert('stopped_apps', ['tenant', 'app']), tenant, app)
        : run('DELETE FROM stopped_apps WHERE tenant = ? AND app = ?', tenant, app),
    asleepSince: (tenant, app) => numberOf('SELECT since_ms FROM asleep_apps WHERE tenant = ? AND app = ?', tenant, app),
    setAsleep: (tenant, app, sinceMs) =>
      sinceMs === undefined
        ? run('DELETE FROM asleep_apps WHERE tenant = ? AND app = ?', tenant, app)
        : run(upsert('asleep_apps', ['tenant', 'app'], ['since_ms']), tenant, app, sinceMs),
    scaleOf: (tenant, app) => numberOf('SELECT workers FROM app_scales WHERE tenant = ? AND app = ?', tenant, app),
    setScale: (tenant, app, workers) =>
      workers === undefined
        ? run('DELETE FROM app_scales WHERE tenant = ? AND app = ?', tenant, app)
        : run(upsert('app_scales', ['tenant', 'app'], ['workers']), tenant, app, workers),
  };
}
