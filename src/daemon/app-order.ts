import { createHash } from 'node:crypto';
import type { AppName } from '../base/ids.ts';
import { linkTextOf, localRelease } from '../base/release-ids.ts';
import type { AppManifest } from '../config/manifest.ts';
import type { Plan } from '../config/plans.ts';
import { sandboxLib } from '../privileged/sandbox-arguments.ts';
import type { AppSpec } from '../protocol/host.ts';
import type { WorkerSettings } from '../protocol/worker.ts';

/** An app as the daemon will run it: its manifest, clamped to its tenant's plan. */
export interface AppOrder {
  manifest: AppManifest;
  /** Whose folder it runs in; another release is another generation. */
  release: string;
  /** So many at least, and at most. */
  workers: number;
  maxWorkers: number;
  heapMegabytes: number;
  tmpBytes: number;
  tmpInodes: number;
  /** How long a worker may be silent before it is taken for hung. */
  hungAfterMs: number;
}

/** V8's old space beside everything else in a worker: buffers, code, the young generation. */
const heapShare = 0.75;
const leastHeapMegabytes = 32;
const tmpShare = 0.25;
const mebibyte = 1 << 20;
const bytesPerTmpInode = 4_096;
const mostWorkers = 16;
/** With a processor of its own. */
const hungAfterMs = 60_000;

/** `scale`: the operator's number of workers, over that of the manifest. */
export function clampToPlan(manifest: AppManifest, plan: Plan, release: string = localRelease, scale?: number): AppOrder {
  const heap = Math.floor((plan.memoryBytes / mebibyte) * heapShare);
  const most = Math.min(mostWorkers, Math.max(1, Math.floor(plan.processes / 8)));
  const { min, max } = scale === undefined ? manifest.workers : { min: scale, max: scale };
  return {
    manifest,
    release,
    workers: Math.min(Math.max(1, min), most),
    maxWorkers: Math.min(Math.max(1, max), most),
    heapMegabytes: Math.max(leastHeapMegabytes, heap),
    tmpBytes: tmpBytesOf(plan),
    tmpInodes: tmpInodesOf(plan),
    hungAfterMs: Math.round(hungAfterMs / Math.min(1, plan.cpu)),
  };
}

/** Its pages are memory of the tenant. */
export function tmpBytesOf(plan: Plan): number {
  return Math.max(mebibyte, Math.floor(plan.memoryBytes * tmpShare));
}

/** A kilobyte of kernel memory each, of the tenant. */
export function tmpInodesOf(plan: Plan): number {
  return Math.max(1_000, Math.floor(tmpBytesOf(plan) / bytesPerTmpInode));
}

/** What of the plan a worker is started with, and keeps until it ends: V8's heap, and all memory that it can write files to. */
export interface WorkerSize {
  heapMegabytes: number;
  tmpBytes: number;
}

/**
 * What running workers were started from: the sizes of it at its end, see `mayGoOn`. `folderId` tells one directory from another of the
 * same name (a release is told by its id), `secretsRevision` which secrets it gets, set when, `sharedBy` what it can read of others.
 */
export function generationKeyOf(order: AppOrder, folderId: string, secretsRevision: string, sharedBy: readonly string[] = []): string {
  const { kind, entry, command, root, env, health, sandbox } = order.manifest;
  const { heapMegabytes, tmpBytes, release } = order;
  const code = release === localRelease ? folderId : release;
  return createHash('sha256')
    .update(JSON.stringify([code, kind, entry, command, root, env, health, sandbox, secretsRevision, sharedBy]))
    .digest('hex')
    .concat(` ${heapMegabytes} ${tmpBytes}`);
}

/** Whether workers that were started from one may go on where another is wanted: in a larger plan, but not beyond a smaller one. */
export function mayGoOn(startedFrom: string, wanted: string): boolean {
  const [[code, ...sizes], [wantedCode, ...wantedSizes]] = [startedFrom.split(' '), wanted.split(' ')];
  return code === wantedCode && sizes.every((size, index) => Number(size) <= Number(wantedSizes[index]));
}

export function toAppSpec(app: AppName, order: AppOrder, current: { generation: number; stopped: boolean }): AppSpec {
  const { kind, health, root, startTimeoutMs } = order.manifest;
  return {
    app,
    kind,
    desired: current.stopped ? 'stopped' : 'running',
    generation: current.generation,
    workers: order.workers,
    maxWorkers: order.maxWorkers,
    startTimeoutMs,
    ...(health ? { health } : { hungAfterMs: order.hungAfterMs }),
    ...(kind === 'static' && { staticRoot: codePathOf(order.release, root ?? '.') }),
  };
}

/** Of a path in a release, as the tenant's host and jobs find it in the app's folder. */
export function codePathOf(release: string, path: string): string {
  return release === localRelease ? path : `${linkTextOf(release)}/${path}`;
}

/** V8's young generation is three of these, beside the old one: as much as a small plan has altogether, if V8 chose (16). */
function semiSpaceMegabytes(heapMegabytes: number): number {
  return Math.min(16, Math.max(1, Math.floor(heapMegabytes / 48)));
}

/** What the worker's Node is started with. */
export function nodeOptionsOf(app: AppName, { manifest, heapMegabytes }: AppOrder): string[] {
  const isStrict = manifest.kind === 'node' && manifest.sandbox === 'strict';
  const heapOptions = [`--max-old-space-size=${heapMegabytes}`, `--max-semi-space-size=${semiSpaceMegabytes(heapMegabytes)}`];
  return [...heapOptions, ...(isStrict ? permissionOptions(`/apps/${app}`) : [])];
}

/**
 * Node's permission model (https://nodejs.org/api/permissions.html). Its own network is what a sandbox allows already; files of the
 * system, child processes, threads, addons, FFI, WASI and the inspector are denied by what is not said here.
 */
function permissionOptions(appFolder: string): string[] {
  const writable = ['/data', '/tmp', '/run/secrets'];
  return [
    ...['--permission', '--allow-net'],
    ...[appFolder, sandboxLib, ...writable].map((path) => `--allow-fs-read=${path}`),
    ...writable.map((path) => `--allow-fs-write=${path}`),
  ];
}

/** Undefined for a static app: it has no workers. */
export function toWorkerSettings({ manifest }: Pick<AppOrder, 'manifest'>): WorkerSettings | undefined {
  // Whether the plan, or the operator, allows more at the moment: that may change while it runs.
  const isElastic = manifest.workers.max > manifest.workers.min;
  if (manifest.kind === 'node' && manifest.entry !== undefined)
    return { kind: 'node', entry: manifest.entry, ...(isElastic && { reportLoad: true as const }) };
  if (manifest.kind === 'command' && manifest.command !== undefined) return { kind: 'command', command: [...manifest.command] };
  return undefined;
}
