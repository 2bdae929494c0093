import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import type { AppName } from '../base/ids.ts';
import type { AppSpec } from '../protocol/host.ts';
import type { Daemon } from './daemon.ts';
import type { AppReport } from './report-pool.ts';

/** The tenant's static apps: which there are, and how each is. */
export interface StaticSites {
  /** Tells the daemon what changed; all, when it is `reconnected`. */
  configure(specs: AppSpec[], reconnected: boolean): Promise<void>;
}

export interface StaticSitesOptions {
  appsDir: string;
  /** The bound socket that the server listens on, once there is a static app. */
  fd: number;
  daemon: Daemon;
}

export function createStaticSites({ appsDir, fd, daemon }: StaticSitesOptions): StaticSites {
  const roots = new Map<AppName, string>();
  const told = new Map<AppName, string>();
  let applied = Promise.resolve();
  let listening: Promise<unknown> | undefined;

  /** With its http server and its tables of types it costs some MB, which a tenant without static apps does not pay. */
  async function listen(): Promise<void> {
    const { startStaticServer } = await import('./static-server.ts');
    const onFault = (error: unknown): void => daemon.tell('log', { level: 'error', message: `static files: ${messageOf(error)}` });
    await startStaticServer({ fd, rootOf: (app) => roots.get(app as AppName), onFault });
  }

  async function judge(spec: AppSpec): Promise<AppReport> {
    const { generation } = spec;
    if (spec.desired === 'stopped') return { state: 'stopped', generation, restarts: 0 };
    const root = join(appsDir, spec.app, spec.staticRoot ?? '.');
    if (!(await isFolderOf(join(appsDir, spec.app), root))) return failed(spec, `its folder ${spec.staticRoot ?? '.'} is not there`);
    roots.set(spec.app, root);
    try {
      await (listening ??= listen());
      return { state: 'running', generation, restarts: 0 };
    } catch (error) {
      listening = undefined;
      return failed(spec, `its files can not be served: ${messageOf(error)}`);
    }
  }

  async function apply(specs: AppSpec[], reconnected: boolean): Promise<void> {
    if (reconnected) told.clear();
    const served = new Set(specs.filter(({ desired }) => desired === 'running').map(({ app }) => app));
    for (const app of roots.keys()) if (!served.has(app)) roots.delete(app);
    for (const spec of specs) {
      const report = { app: spec.app, ...(await judge(spec)) };
      const text = JSON.stringify(report);
      // How another kind of app is, its supervisor says.
      if (spec.kind === 'static' && told.get(spec.app) !== text) daemon.tell('app-state', report);
      told.set(spec.app, text);
    }
  }

  return {
    configure(specs, reconnected) {
      // One after another, so that the last picture is also the last that is told.
      applied = applied.then(() => apply(specs, reconnected));
      return applied;
    },
  };
}

function failed({ generation }: AppSpec, reason: string): AppReport {
  return { state: 'failed', generation, code: 'TENANTD_E_APP_FAILED', reason, restarts: 0 };
}

/** The root itself may be a link (a release, a build's output), but not one that leads out of the app's folder. */
async function isFolderOf(appFolder: string, root: string): Promise<boolean> {
  try {
    const [realApp, realRoot] = await Promise.all([realpath(appFolder), realpath(root)]);
    return (realRoot === realApp || realRoot.startsWith(`${realApp}/`)) && (await stat(realRoot)).isDirectory();
  } catch {
    return false; // Whatever the errno: it can not be served, and the reason names the folder.
  }
}
