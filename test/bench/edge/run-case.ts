import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../../src/base/errors.ts';
import { startCaddy } from './caddy.ts';
import type { BenchCase } from './cases.ts';
import { checkFields } from './check-fields.ts';
import { cpuTimeOf, peakMemoryOf, processTree } from './cpu.ts';
import { startHaproxy } from './haproxy.ts';
import { startHttpProxy } from './http-proxy.ts';
import type { LoadFigures } from './loaders.ts';
import { startNginx } from './nginx.ts';
import { LoaderHung } from './programs.ts';
import type { Certificate, Proxy, ProxyName, ProxyOptions } from './proxy.ts';
import { startTenantd } from './tenantd.ts';
import { startUpstream } from './upstream.ts';

const starters: Readonly<Record<ProxyName, (options: ProxyOptions) => Promise<Proxy>>> = {
  tenantd: startTenantd,
  nginx: startNginx,
  haproxy: startHaproxy,
  caddy: startCaddy,
  'http-proxy': startHttpProxy,
};

export interface RunOptions {
  folder: string;
  certificate: Certificate;
  proxies: readonly ProxyName[];
  rounds: number;
  seconds: number;
  signal: AbortSignal;
  /** For ours: node's options. */
  nodeOptions?: readonly string[];
  tell: (line: string) => void;
}

/** One proxy under load once. */
export interface Run extends LoadFigures {
  round: number;
  proxy: ProxyName;
  userUs: number;
  systemUs: number;
  peakMemoryBytes: number;
}

export interface CaseResult {
  id: string;
  runs: Run[];
  failures: { proxy: ProxyName; message: string }[];
  /** Of all runs: shows that each wrote one. */
  logBytesPerRequest: Partial<Record<ProxyName, number>>;
}

/** The proxy on the last processor, the load and the upstream on the others. */
const processors = availableParallelism();
const proxyCpus = String(processors - 1);
const otherCpus = processors > 2 ? `0-${processors - 2}` : '0';
const warmUpSeconds = 3;

/** Starts the case's upstream and all its proxies, loads one after the other in each round, and ends them. */
export async function runCase(bench: BenchCase, options: RunOptions): Promise<CaseResult> {
  const folder = join(options.folder, bench.id);
  mkdirSync(folder);
  await using running = new AsyncDisposableStack();
  const upstream = await startUpstream({ kind: bench.upstream, folder, cpus: cpusFor(bench, otherCpus), processes: processors });
  running.defer(() => upstream.stop());
  const stage: Stage = { bench, options, folder, running, sockets: upstream.sockets };
  const result: CaseResult = { id: bench.id, runs: [], failures: [], logBytesPerRequest: {} };
  const alive: Proxy[] = [];

  async function attempt(name: ProxyName, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      options.signal.throwIfAborted();
      options.tell(`${bench.id}: ${name} FAILED: ${messageOf(error)}`);
      result.failures.push({ proxy: name, message: messageOf(error) });
    }
  }

  for (const name of options.proxies) await attempt(name, async () => void alive.push(await startWarm(stage, name)));
  for (let round = 0; round < options.rounds; round++) {
    for (const proxy of inTurn(alive, round)) {
      if (result.failures.some((failure) => failure.proxy === proxy.name)) continue;
      await attempt(proxy.name, async () => void result.runs.push(await measure(stage, proxy, round)));
    }
  }
  for (const { name, logPath } of alive) {
    const requests = result.runs.reduce((total, run) => (run.proxy === name ? total + run.requests : total), 0);
    if (requests > 0) result.logBytesPerRequest[name] = sizeOf(logPath) / requests;
  }
  return result;
}

interface Stage {
  bench: BenchCase;
  options: RunOptions;
  folder: string;
  running: AsyncDisposableStack;
  sockets: string[];
}

function cpusFor({ measure: what }: BenchCase, cpus: string): string | undefined {
  return what === 'cpu' ? cpus : undefined;
}

async function startWarm(stage: Stage, name: ProxyName): Promise<Proxy> {
  const { bench, options, sockets } = stage;
  const folder = join(stage.folder, name);
  mkdirSync(folder);
  const proxy = await starters[name]({
    folder,
    certificate: options.certificate,
    upstreams: sockets,
    cpus: cpusFor(bench, proxyCpus),
    processes: bench.measure === 'cpu' ? 1 : processors,
    nodeOptions: options.nodeOptions ?? [],
  });
  stage.running.defer(() => proxy.stop());
  if (bench.upstream === 'static') await checkFields(proxy);
  await load(stage, proxy, Math.min(warmUpSeconds, options.seconds));
  return proxy;
}

async function measure(stage: Stage, proxy: Proxy, round: number): Promise<Run> {
  try {
    return await measureOnce(stage, proxy, round);
  } catch (error) {
    if (!(error instanceof LoaderHung)) throw error;
    stage.options.tell(`${error.message}: once more`);
    return measureOnce(stage, proxy, round);
  }
}

async function measureOnce(stage: Stage, proxy: Proxy, round: number): Promise<Run> {
  const { bench, options } = stage;
  const pids = processTree(proxy.pid);
  const before = cpuTimeOf(pids);
  const figures = await load(stage, proxy, options.seconds);
  const after = cpuTimeOf(pids);
  const run: Run = {
    round,
    proxy: proxy.name,
    ...figures,
    userUs: (after.userUs - before.userUs) / figures.requests,
    systemUs: (after.systemUs - before.systemUs) / figures.requests,
    peakMemoryBytes: peakMemoryOf(pids),
  };
  options.tell(`${bench.id} ${round + 1}/${options.rounds}: ${describe(run)}`);
  return run;
}

function load({ bench, options, folder }: Stage, { httpPort, httpsPort }: Proxy, seconds: number): Promise<LoadFigures> {
  return bench.load({ httpPort, httpsPort, seconds, cpus: cpusFor(bench, otherCpus), folder, signal: options.signal });
}

/** Each begins a round once in a while, so that none is always behind the same other. */
function inTurn(proxies: readonly Proxy[], round: number): Proxy[] {
  const first = round % Math.max(1, proxies.length);
  return [...proxies.slice(first), ...proxies.slice(0, first)];
}

function describe({ proxy, userUs, systemUs, requestsPerSecond }: Run): string {
  return `${proxy.padEnd(10)} ${(userUs + systemUs).toFixed(1).padStart(8)} us a request, ${requestsPerSecond.toFixed(0)} requests/s`;
}

function sizeOf(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return stat?.size ?? 0;
  return readdirSync(path).reduce((total, name) => total + sizeOf(join(path, name)), 0);
}
