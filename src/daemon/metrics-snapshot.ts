import { monitorEventLoopDelay } from 'node:perf_hooks';
import { version } from '../base/version.ts';
import type { MetricFamily, MetricGroup, MetricsSnapshot } from '../protocol/metrics.ts';
import type { CertsLink } from './certs-link.ts';
import type { EdgeLink } from './edge-link.ts';
import type { Egress } from './egress.ts';
import { appState, workersOf } from './status.ts';
import type { Tenant } from './tenant.ts';
import type { Usage } from './usage.ts';

export interface MetricsParts {
  usage: Usage;
  edge: Pick<EdgeLink, 'edgePids'>;
  certs: Pick<CertsLink, 'statusOf'> | undefined;
  egress: Pick<Egress, 'useOf'>;
  tenants: () => Tenant[];
  startedAt: Date;
  /** The last one of each tenant that had one. */
  lastFaults: () => ReadonlyMap<string, { lastAt: string }>;
  nowMs: () => number;
}

/** Asked again within that time, it answers the same: it looks at every tenant. */
const keepMs = 1_000;
/** In which it looks, and which it counts as delay, too. */
const delayResolutionMs = 20;
/** Of names with certificates, over all tenants: each is one more time series. */
const mostNames = 20_000;
const states = ['starting', 'running', 'sleeping', 'suspended', 'quarantined', 'failed', 'removing'] as const;
const codes = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'];
/** Serves, or would if it was asked. */
const upStates: ReadonlySet<string> = new Set(['running', 'sleeping', 'deploying']);

/** What the daemon knows in figures. Labels are names of tenants, apps and domains that are configured, and words of ours. */
export function createMetrics(parts: MetricsParts): { snapshot: () => MetricsSnapshot; close: () => void } {
  const delay = monitorEventLoopDelay({ resolution: delayResolutionMs });
  delay.enable();
  let kept: { snapshot: MetricsSnapshot; atMs: number } | undefined;

  function look(): MetricsSnapshot {
    const tenants = parts.tenants().filter(({ picture }) => picture.desired());
    const groups = [
      ...[buildGroup(), daemonGroup(parts), delayGroup(delay), stateGroup(tenants), tenantGroup(tenants, parts)],
      ...[appGroup(tenants), useGroup(tenants, parts), requestGroup(tenants, parts), certificateGroup(tenants, parts)],
    ];
    delay.reset();
    return { groups };
  }

  return {
    snapshot() {
      const nowMs = parts.nowMs();
      if (!kept || nowMs - kept.atMs >= keepMs || nowMs < kept.atMs) kept = { snapshot: look(), atMs: nowMs };
      return kept.snapshot;
    },
    close: () => delay.disable(),
  };
}

const gauge = (name: string, help: string): MetricFamily => ({ name, type: 'gauge', help });
const counter = (name: string, help: string): MetricFamily => ({ name, type: 'counter', help });

function buildGroup(): MetricGroup {
  const families = [gauge('tenantd_build_info', 'The version that runs.')];
  return { labels: ['version', 'node'], families, rows: [{ labels: [version, process.version], values: [1] }] };
}

function daemonGroup({ edge, startedAt }: MetricsParts): MetricGroup {
  const { user, system } = process.cpuUsage();
  const families = [
    gauge('process_start_time_seconds', 'When the daemon started, as Unix time.'),
    counter('process_cpu_seconds_total', 'Processor time of the daemon.'),
    gauge('process_resident_memory_bytes', 'Memory of the daemon.'),
    gauge('tenantd_edge_processes', 'Edges that accept connections.'),
  ];
  const values = [startedAt.getTime() / 1_000, (user + system) / 1e6, process.memoryUsage.rss(), edge.edgePids().length];
  return { labels: [], families, rows: [{ labels: [], values }] };
}

function delayGroup(delay: ReturnType<typeof monitorEventLoopDelay>): MetricGroup {
  const families = [gauge('tenantd_event_loop_delay_seconds', 'How late the daemon got to its work, since it was asked last.')];
  const secondsOf = (quantile: number): number => Math.max(0, delay.percentile(quantile * 100) / 1e9 - delayResolutionMs / 1e3);
  const rows = Object.entries({ p50: 0.5, p99: 0.99, max: 1 }).map(([stat, quantile]) => ({
    labels: [stat],
    values: [secondsOf(quantile)],
  }));
  return { labels: ['stat'], families, rows };
}

function stateGroup(tenants: readonly Tenant[]): MetricGroup {
  const counts = new Map<string, number>();
  for (const tenant of tenants) counts.set(tenant.life().state, (counts.get(tenant.life().state) ?? 0) + 1);
  const rows = states.map((state) => ({ labels: [state], values: [counts.get(state) ?? 0] }));
  return { labels: ['state'], families: [gauge('tenantd_tenants', 'Tenants, by their state.')], rows };
}

function tenantGroup(tenants: readonly Tenant[], { egress, usage, lastFaults }: MetricsParts): MetricGroup {
  const faults = lastFaults();
  const families = [
    gauge('tenantd_tenant_up', '1: it is in service, running or asleep.'),
    gauge('tenantd_tenant_problems', 'Problems that tenantctl status shows.'),
    gauge('tenantd_disk_bytes', 'Of its data and logs.'),
    gauge('tenantd_disk_limit_bytes', 'What its plan gives it.'),
    counter('tenantd_egress_sent_bytes_total', 'From its network out to others.'),
    counter('tenantd_egress_received_bytes_total', 'From others into its network.'),
    gauge('tenantd_egress_refused_packets', 'Packets that its rules let nowhere, since these were made.'),
    gauge('tenantd_last_fault_timestamp_seconds', 'When it last hit a limit, as Unix time.'),
  ];
  const rows = tenants.map((tenant) => {
    const { name } = tenant;
    const { egressBytesOut, egressBytesIn } = usage.book.totalOf(name, '');
    const use = egress.useOf(name);
    const fault = faults.get(name);
    const values = [
      ...[
        upStates.has(tenant.life().state) ? 1 : 0,
        tenant.problems().length,
        usage.disks.bytesOf(name),
        tenant.picture.limits().diskBytes,
      ],
      ...(use ? [egressBytesOut, egressBytesIn, use.refused] : [null, null, null]),
      fault === undefined ? null : Date.parse(fault.lastAt) / 1_000,
    ];
    return { labels: [name], values };
  });
  return { labels: ['tenant'], families, rows };
}

function appsOf(tenant: Tenant): string[] {
  return (tenant.picture.desired()?.apps ?? []).map(({ app }) => app);
}

function appGroup(tenants: readonly Tenant[]): MetricGroup {
  const families = [
    gauge('tenantd_app_up', '1: it serves, or would if it was asked.'),
    gauge('tenantd_app_workers', 'Workers that live.'),
    counter('tenantd_app_restarts_total', 'Workers that were started again because one failed, since its host started.'),
  ];
  const rows = tenants.flatMap((tenant) =>
    (tenant.picture.desired()?.apps ?? []).map(({ app }) => {
      const values = [upStates.has(appState(tenant, app)) ? 1 : 0, workersOf(tenant, app).length, tenant.stateOf(app)?.restarts ?? 0];
      return { labels: [tenant.name, app], values };
    }),
  );
  return { labels: ['tenant', 'app'], families, rows };
}

/** An app's, and under the name '' what is the tenant's and no app's: so sums over a tenant are right. */
function useGroup(tenants: readonly Tenant[], { usage }: MetricsParts): MetricGroup {
  const families = [
    counter('tenantd_received_bytes_total', 'Bodies of requests, and what came through tunnels.'),
    counter('tenantd_sent_bytes_total', 'Bodies of responses, and what went through tunnels.'),
    counter('tenantd_cpu_seconds_total', 'Processor time.'),
    gauge('tenantd_memory_bytes', 'Memory, with what the kernel keeps of files for it.'),
  ];
  const rows = tenants.flatMap((tenant) =>
    ['', ...appsOf(tenant)].map((app) => {
      const { bytesIn, bytesOut, cpuSeconds } = usage.book.totalOf(tenant.name, app);
      return { labels: [tenant.name, app], values: [bytesIn, bytesOut, cpuSeconds, usage.memoryOf(tenant.name, app)] };
    }),
  );
  return { labels: ['tenant', 'app'], families, rows };
}

function requestGroup(tenants: readonly Tenant[], { usage }: MetricsParts): MetricGroup {
  const families = [counter('tenantd_requests_total', 'Requests, by the class of the answer; none: the client left before there was one.')];
  const rows = tenants.flatMap((tenant) =>
    ['', ...appsOf(tenant)].flatMap((app) =>
      usage.edges.requestsOf(tenant.name, app).flatMap((count, index) => {
        const code = codes[index] ?? '';
        // Each series that never was costs whoever keeps them.
        return count > 0 || code === '2xx' ? [{ labels: [tenant.name, app, code], values: [count] }] : [];
      }),
    ),
  );
  return { labels: ['tenant', 'app', 'code'], families, rows };
}

function certificateGroup(tenants: readonly Tenant[], { certs }: MetricsParts): MetricGroup {
  const families = [
    gauge('tenantd_certificate_expiry_timestamp_seconds', 'Until when the certificate that is served is valid, as Unix time.'),
  ];
  const names = tenants.flatMap(({ name, picture }) =>
    (picture.desired()?.domains ?? []).map((domain) => ({ tenant: name, name: domain.name })),
  );
  const rows = names.slice(0, mostNames).flatMap(({ tenant, name }) => {
    const notAfterMs = certs?.statusOf(tenant, name)?.notAfterMs;
    return notAfterMs === undefined ? [] : [{ labels: [tenant, name], values: [notAfterMs / 1_000] }];
  });
  return { labels: ['tenant', 'name'], families, rows };
}
