import { z } from 'zod';
import { durationBetween, sizeBetween, wholeNumber } from './values.ts';

/** What the edge holds the tenant's clients to, by key: how protocol/edge.ts names it, with its unit. */
const requestLimits = {
  bodySize: 'bodySizeBytes',
  headerSize: 'headSizeBytes',
  uriSize: 'targetSizeBytes',
  requestsPerSecond: 'requestsPerSecond',
  concurrentRequests: 'concurrentRequests',
  queuedRequests: 'queuedRequests',
  webSockets: 'webSockets',
  connectionsPerAddress: 'connectionsPerAddress',
  idleTimeout: 'idleTimeoutMs',
  tunnelIdleTimeout: 'tunnelIdleTimeoutMs',
  responseTimeout: 'responseTimeoutMs',
  requestTimeout: 'requestTimeoutMs',
} as const;

type RequestKey = keyof typeof requestLimits;
type RequestLimits = Record<(typeof requestLimits)[RequestKey], number>;

export interface Plan {
  memoryBytes: number;
  /** Cores: 0.5 is half of one. */
  cpu: number;
  /** Threads count as processes (cgroup's pids.max). */
  processes: number;
  diskBytes: number;
  /** Files, directories and links; undefined: by `diskBytes`, see `filesOf`. */
  files: number | undefined;
  requests: RequestLimits;
}

const bytesPerFile = 16_384;

/** As `requestTimeoutMs` has it. */
const noTimeout = z.literal('none').transform(() => 0);

const fields = {
  memory: sizeBetween('16M', '64T', 'Memory of all processes of a tenant'),
  cpu: z.number().min(0.01).max(4_096).meta({ description: 'Processor time, in cores' }),
  processes: wholeNumber(16, 1_000_000, 'Processes and threads of a tenant; one Node process has about 11'),
  disk: sizeBetween('1M', '1024T', 'Disk space of a tenant'),
  files: wholeNumber(100, 4_000_000_000, 'Files, directories and links of a tenant; default: one for 16 KiB of `disk`'),
  requestsPerSecond: wholeNumber(0, 10_000_000, 'Requests a second; 0 for no limit'),
  concurrentRequests: wholeNumber(1, 1_000_000, 'Requests at the same time'),
  queuedRequests: wholeNumber(0, 1_000_000, 'Requests that wait for a short time when so many are open'),
  webSockets: wholeNumber(0, 1_000_000, 'Open WebSockets and other tunnels'),
  connectionsPerAddress: wholeNumber(0, 1_000_000, 'Open connections of one client address; 0 for no limit'),
  bodySize: sizeBetween('0', '1T', 'The largest request body'),
  headerSize: sizeBetween('1K', '64K', "The largest head of a request: its first line and its headers' fields"),
  uriSize: sizeBetween('256', '8K', 'The longest target of a request: path and query'),
  idleTimeout: durationBetween('1s', '1h', 'How long a connection may stay open without a request'),
  tunnelIdleTimeout: durationBetween('1s', '24d', 'How long a WebSocket may stay open without a byte either way'),
  responseTimeout: durationBetween('1s', '24h', "How long an app may take from a request's end to the head of its response"),
  requestTimeout: z.union([noTimeout, durationBetween('1s', '24d', "From a request's head to its response's end; none: no limit")]),
};

export const planSchema = z
  .strictObject({
    memory: fields.memory.prefault('256M'),
    cpu: fields.cpu.prefault(0.5),
    processes: fields.processes.prefault(128),
    disk: fields.disk.prefault('1G'),
    files: fields.files.exactOptional(),
    requestsPerSecond: fields.requestsPerSecond.prefault(50),
    concurrentRequests: fields.concurrentRequests.prefault(64),
    queuedRequests: fields.queuedRequests.prefault(64),
    webSockets: fields.webSockets.prefault(256),
    connectionsPerAddress: fields.connectionsPerAddress.prefault(1_000),
    bodySize: fields.bodySize.prefault('25M'),
    headerSize: fields.headerSize.prefault('32K'),
    uriSize: fields.uriSize.prefault('8K'),
    idleTimeout: fields.idleTimeout.prefault('60s'),
    tunnelIdleTimeout: fields.tunnelIdleTimeout.prefault('10m'),
    responseTimeout: fields.responseTimeout.prefault('60s'),
    // None: streams of events and long downloads live.
    requestTimeout: fields.requestTimeout.prefault('none'),
  })
  .transform((plan): Plan => ({
    memoryBytes: plan.memory,
    cpu: plan.cpu,
    processes: plan.processes,
    diskBytes: plan.disk,
    files: plan.files,
    requests: toRequestLimits(plan) as RequestLimits,
  }))
  .meta({ description: 'What a tenant of this plan may use; what is not given is as in `starter`' });

/** Used when tenantd.yaml has no plans. */
export const starterPlan: Plan = planSchema.parse({});

export const limitsSchema = z.strictObject(fields).partial().meta({ description: 'Over the plan: what is given here counts instead' });

export type Limits = z.infer<typeof limitsSchema>;

export function applyLimits(plan: Plan, limits: Limits): Plan {
  return {
    memoryBytes: limits.memory ?? plan.memoryBytes,
    cpu: limits.cpu ?? plan.cpu,
    processes: limits.processes ?? plan.processes,
    diskBytes: limits.disk ?? plan.diskBytes,
    files: limits.files ?? plan.files,
    requests: { ...plan.requests, ...toRequestLimits(limits) },
  };
}

/** How many files a tenant may have. */
export function filesOf({ diskBytes, files }: Pick<Plan, 'diskBytes' | 'files'>): number {
  return files ?? Math.min(4_000_000_000, Math.max(1_000, Math.floor(diskBytes / bytesPerFile)));
}

/** By the keys of tenantd.yaml, in their order there; sizes in bytes, times in ms. */
export function limitsByKey(plan: Plan): Record<string, number> {
  const { memoryBytes: memory, cpu, processes, diskBytes: disk, requests } = plan;
  const ofRequests = Object.entries(requestLimits).map(([key, name]) => [key, requests[name]] as const);
  return { memory, cpu, processes, disk, files: filesOf(plan), ...Object.fromEntries(ofRequests) };
}

function toRequestLimits(given: { [Key in RequestKey]?: number | undefined }): Partial<RequestLimits> {
  const keys = (Object.keys(requestLimits) as RequestKey[]).filter((key) => given[key] !== undefined);
  return Object.fromEntries(keys.map((key) => [requestLimits[key], given[key]]));
}
