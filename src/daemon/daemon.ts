import { returnMemory } from '../base/return-memory.ts';
import { version } from '../base/version.ts';
import { watchDaemonConfig, watchTenants } from '../config/watch.ts';
import { removeRootDirectory } from '../privileged/directories.ts';
import { publishLocalCaSoon } from './local-ca-copy.ts';
import { startMetrics } from './metrics-link.ts';
import { countStates } from './notify.ts';
import { startWatchdog } from './watchdog.ts';
import { openControl } from './daemon-control.ts';
import { createDaemonParts } from './daemon-parts.ts';
import { type DaemonOptions, openFoundation } from './foundation.ts';

export interface Daemon {
  /** Reads everything on disk again; what can't be read is in the log and in `status`. */
  reload(): void;
  /**
   * `end`: everything, in order: new requests, workers, hosts, edge; leaves no process, mount, group or socket. `keep`: what runs goes on,
   * as after a SIGKILL, but nothing is cut off in the middle.
   */
  stop(fate: 'end' | 'keep'): Promise<void>;
}

/** What a start has to do is done by then. */
const startedUpMs = 5_000;

/** Starts the daemon, or takes up what one before it left running. Rejects with a TenantdError that says what to mend. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { log, configFile, manager } = options;
  const foundation = await openFoundation(options);
  const { config, paths, machine, durable, unlock } = foundation;
  const parts = await createDaemonParts(options, foundation);
  const { core, fleet, certs, egress, resolver, journal, schedules, sessions, sleeper, disks } = parts;
  const { releases, removals, templating, verifier, faults, faultWatch, usage } = parts;
  const living = await machine.registry.adopt((ended, exit) => sessions.noteEnded(ended, exit));
  await core.takeUp(living);
  await templating.takeUp();
  // Before it is read, so that nothing that changes meanwhile is missed.
  const watches = [
    watchTenants(config.tenantsDir, {
      onTenant: (name) => core.inBackground(core.refresh(name)),
      onAll: () => core.inBackground(core.rescan()),
      onProblem: core.noteWatchProblem,
    }),
    watchDaemonConfig(configFile, { onDaemonConfig: () => core.inBackground(core.reloadConfig()) }),
  ];
  await core.rescan();
  const control = await openControl(options, foundation, parts);
  if (certs && !config.acme) core.inBackground(publishLocalCaSoon(certs, paths.localCaFile, log));
  verifier.start();
  core.inBackground(releases.takeUp());
  schedules.start();
  sleeper.start();
  usage.start();
  const stopMetrics = await startMetrics({ machine, listen: config.metrics?.listen, snapshot: control.metrics.snapshot, log }, living);
  faultWatch.start();
  removals.start();
  log.info({ version, pid: process.pid, tenants: fleet.names().length }, 'tenantd is ready');
  manager.ready();
  const statusText = (): string => countStates(core.tenants());
  const stopWatchdog = startWatchdog({ manager, socket: paths.operatorSocket, statusText, log });
  setTimeout(returnMemory, startedUpMs).unref();

  return {
    reload: () => core.inBackground(control.reload()),
    async stop(fate) {
      stopWatchdog();
      // Sessions, too, are connections of the control socket, which closes when the last of them has.
      for (const watch of watches) watch.close();
      await Promise.all([control.close(), sessions.close(), releases.close(), control.backups.close()]);
      schedules.close();
      sleeper.stop();
      removals.close();
      await verifier.stop();
      await (fate === 'end' ? core.stopAll() : core.leaveAll());
      if (fate === 'end') await Promise.all([resolver.stop(), egress.close(), stopMetrics()]);
      control.metrics.close();
      disks.close();
      journal?.close();
      faultWatch.close();
      faults.close();
      machine.registry.close();
      await Promise.all(Object.values(machine.spares).map((spares) => spares.close()));
      if (fate === 'end') {
        removeRootDirectory(paths.etcDir);
        await machine.groups?.removeBase();
      }
      await usage.stop();
      await durable.close();
      unlock();
    },
  };
}
