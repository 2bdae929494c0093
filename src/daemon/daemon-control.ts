import { createAccessReader } from './access-reader.ts';
import { createBackups } from './backups.ts';
import { openControlSockets } from './control-sockets.ts';
import { createOperations } from './operations.ts';
import { createMetrics } from './metrics-snapshot.ts';
import { tellReload } from './notify.ts';
import { createTenantFolders } from './tenant-folders.ts';
import { createTenantLife } from './tenant-life.ts';
import { createProbeRunner } from './verify-probes.ts';
import type { DaemonOptions, Foundation } from './foundation.ts';
import type { DaemonParts } from './daemon-parts.ts';

/** Opens the sockets on which everything can be asked of the daemon. */
export async function openControl({ configFile, log, manager }: DaemonOptions, foundation: Foundation, parts: DaemonParts) {
  const { paths, machine, store, vault, config } = foundation;
  const { context, state, core, fleet, edge, certs, egress, schedules, sessions, releases, removals, templating } = parts;
  const { tokens, connections, grants, verifier, faults, usage, backupTurns } = parts;
  const reload: typeof core.reload = (withEdges) => tellReload(manager, () => core.reload(withEdges));
  const folders = createTenantFolders({ machine, store, config: () => fleet.plans() });
  const backups = createBackups({
    ...{ machine, store, vault, releases, folders, removals, backupTurns, userPrefix: config.userPrefix, withDisk: context.withDisk },
    ...{ config: () => state.config, findTenant: core.findTenant, refresh: core.refresh, remark: core.remark },
  });
  await backups.takeUp();
  const life = createTenantLife({
    ...{ store, paths, fleet, removals, templates: templating.templates.writer, config: () => state.config, nowMs: Date.now },
    folders,
    ...{ findTenant: core.findTenant, refresh: core.refresh, remark: core.remark },
    statuses: (only) => core.status(only).tenants,
  });
  const metrics = createMetrics({
    ...{
      usage,
      edge,
      certs,
      egress,
      tenants: core.tenants,
      startedAt: state.startedAt,
      lastFaults: () => faults.newest(0),
      nowMs: Date.now,
    },
  });
  const operations = createOperations({
    ...{ life, log },
    ...{ store, vault, schedules, sessions, releases, certs, paths, tokens, faults },
    plans: { machine, fleet },
    templating,
    onTokensRevoked: connections.endUnheld,
    backups,
    access: createAccessReader(machine),
    listGrants: (only) =>
      grants.list(
        fleet.names().flatMap((name) => fleet.desired(name) ?? []),
        only,
      ),
    ...{
      verifier,
      probes: createProbeRunner({ machine, configFile, tenants: core.tenants, edgePids: () => edge.edgePids(), layers: context.layers }),
      config: () => state.config,
    },
    ...{ findTenant: core.findTenant, tenants: core.tenants, refresh: core.refresh, status: core.status, reload },
    readUse: () => egress.readUse(),
    ...{ usage, metrics: () => metrics.snapshot() },
  });
  const close = await openControlSockets({ ...operations, machine, paths, store, tokens, connections, log });
  return { close, backups, metrics, reload };
}
