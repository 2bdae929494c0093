import type { AppName, WorkerId } from '../base/ids.ts';
import { version } from '../base/version.ts';
import type { Handler } from '../protocol/channel.ts';
import type { hostPaths } from '../protocol/host-paths.ts';
import type { AppSpec, HostNotifications, HostRequests, HostSettings, WorkerInfo } from '../protocol/host.ts';
import { createAppLogs } from './app-logs.ts';
import { createDaemon } from './daemon.ts';
import { createFollowers } from './followers.ts';
import { createRunEnds } from './run-ends.ts';
import { createScheduleRuns } from './schedule-runs.ts';
import { createStaticSites } from './static-sites.ts';
import { type AppSupervisor, superviseApp } from './supervise-app.ts';
import { watchManifests } from './watch-manifests.ts';
import type { WorkerPaths } from './watch-worker.ts';

export type HostPaths = { [Key in keyof typeof hostPaths]: string };

export interface TenantHostOptions {
  paths: HostPaths;
  staticListenerFd: number;
  /** After the logs were closed, on the daemon's word. */
  onShutdown: () => void;
}

export interface TenantHost {
  run(): Promise<never>;
  /** Writes what is left to write. Workers are not its children: they go on. */
  close(): void;
}

type Params<Name extends keyof HostRequests> = HostRequests[Name]['params'];

/** More than that waits unread by the daemon: readers of logs wait, for what else there is to tell. */
const maxQueuedBytes = 64 << 10;

export function createTenantHost({ paths, staticListenerFd, onShutdown }: TenantHostOptions): TenantHost {
  const daemon = createDaemon(paths.controlSocket);
  const nowMs = Date.now;
  const followers = createFollowers({
    ...{ dir: paths.logsDir, nowMs },
    send: (message) => daemon.tell('log-lines', message),
    maySend: () => daemon.queuedBytes() < maxQueuedBytes,
  });
  const logs = createAppLogs(paths.logsDir, followers.noteKept, nowMs);
  const staticSites = createStaticSites({ appsDir: paths.appsDir, fd: staticListenerFd, daemon });
  const manifests = watchManifests({
    appsDir: paths.appsDir,
    onChanged(app) {
      daemon.tell('manifest-changed', { app: app as AppName });
      void configureStatic(false); // What it serves may be there now.
    },
    onFault: (app, error) => daemon.tell('log', { level: 'warn', message: `the folder of ${app} is not watched: ${error.message}` }),
  });
  const supervisors = new Map<AppName, AppSupervisor>();
  const runEnds = createRunEnds(daemon, mayAct);
  const runs = createScheduleRuns({
    ...{ logs, ends: runEnds },
    tenant: () => settings?.tenant ?? '',
    placeOf: (app) => supervisors.get(app)?.placeOfRun() ?? { at: 'nowhere', reason: 'there is no such app' },
    isThere: (app, id) => supervisors.get(app)?.knows(id) ?? false,
    countRun: (app, id, count) => supervisors.get(app)?.countRun(id, count),
  });
  let settings: HostSettings | undefined;
  let specs: AppSpec[] = [];
  let configured = false;

  function mayAct(): boolean {
    return configured && daemon.isConnected();
  }

  function configure({ settings: newSettings, apps, workers }: Params<'configure'>): null {
    const reconnected = !configured;
    configured = true;
    settings = newSettings;
    specs = apps;
    logs.limit(settings);
    for (const app of supervisors.keys()) if (!apps.some((spec) => spec.app === app)) retire(app, workers, reconnected);
    for (const spec of apps) supervisorOf(spec).configure(spec, workersOf(spec.app, workers), reconnected);
    manifests.set(apps.map(({ app, staticRoot }) => (staticRoot === undefined ? { app } : { app, root: staticRoot })));
    void configureStatic(reconnected);
    runEnds.tellAll();
    return null;
  }

  function configureStatic(reconnected: boolean): Promise<void> {
    return staticSites.configure(
      specs.filter(({ staticRoot }) => staticRoot !== undefined),
      reconnected,
    );
  }

  function supervisorOf(spec: AppSpec): AppSupervisor {
    const known = supervisors.get(spec.app);
    if (known) return known;
    const supervisor = superviseApp(spec, {
      ...{ daemon, mayAct, logs, nowMs },
      pathsOf: (info) => workerPaths(paths, info),
      onChange: () => runs.look(spec.app),
    });
    supervisors.set(spec.app, supervisor);
    return supervisor;
  }

  /** An app that is gone keeps its supervisor until its last worker has ended. */
  function retire(app: AppName, workers: WorkerInfo[], reconnected: boolean): void {
    const supervisor = supervisors.get(app);
    supervisor?.configure({ ...supervisor.spec(), desired: 'stopped' }, workersOf(app, workers), reconnected);
    if (!supervisor?.isEmpty()) return;
    supervisor.close();
    supervisors.delete(app);
    logs.close(app);
  }

  async function workerExited({ workerId, ...exit }: Params<'worker-exited'>): Promise<null> {
    // One that ended at once can be told of before its start was answered.
    if (!findSupervisor(workerId)) await Promise.all(supervisors.values().map((supervisor) => supervisor.startsAnswered(workerId)));
    findSupervisor(workerId)?.workerExited(workerId, exit);
    for (const app of supervisors.keys()) if (!specs.some((spec) => spec.app === app)) retire(app, [], false);
    return null;
  }

  function findSupervisor(id: WorkerId): AppSupervisor | undefined {
    return supervisors.values().find((supervisor) => supervisor.knows(id));
  }

  function close(): void {
    for (const supervisor of supervisors.values()) supervisor.close();
    manifests.close();
    logs.closeAll();
  }

  const handlers: Record<keyof HostRequests | keyof HostNotifications, Handler> = {
    configure: (params) => configure(params as Params<'configure'>),
    'worker-exited': (params) => workerExited(params as Params<'worker-exited'>),
    'run-schedule': (params) => runs.run(params as Params<'run-schedule'>),
    'app-load': (params) => {
      for (const { app, ...load } of (params as HostNotifications['app-load']).apps) supervisors.get(app)?.hearLoad(load);
    },
    'read-logs': (params) => logs.read(params as Params<'read-logs'>),
    'follow-logs': (params) => followers.follow(params as Params<'follow-logs'>),
    'unfollow-logs': (params) => followers.unfollow((params as Params<'unfollow-logs'>).followId),
    shutdown: () => {
      close();
      followers.flush();
      setImmediate(onShutdown); // After the answer was written.
      return null;
    },
  };

  return {
    run: () =>
      daemon.connectForever(
        handlers,
        () => daemon.tell('hello', { version }),
        () => {
          configured = false;
          followers.clear();
        },
      ),
    close,
  };
}

function workersOf(app: AppName, workers: WorkerInfo[]): WorkerInfo[] {
  return workers.filter((worker) => worker.app === app);
}

function workerPaths(paths: HostPaths, { workerId, socket }: WorkerInfo): WorkerPaths {
  const pipe = `${paths.pipesDir}/${workerId}`;
  return { socket: `${paths.socketsDir}/${socket}`, printed: `${pipe}.out`, reports: `${pipe}.report` };
}
