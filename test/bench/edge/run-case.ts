import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { get } from 'node:http';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../../src/base/errors.ts';
import { startCaddy } from './caddy.ts';
import type { BenchCase } from './cases.ts';
import { cpuTimeOf, peakMemoryOf, processTree } from './cpu.ts';
import { startHaproxy } from './haproxy.ts';
import { startHttpProxy } from './http-proxy.ts';
import type { LoadFigures } from './loaders.ts';
import { startNginx } from './nginx.ts';
import { type Certificate, hostName, listenAddress, type Proxy, type ProxyName, type ProxyOptions } from './proxy.ts';
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
  const { folder, signal, proxies, tell } = options;
  const result: CaseResult = { id: bench.id, runs: [], failures: [], logBytesPerRequest: {} };
  await using running = new AsyncDisposableStack();
  const pinned = bench.measure === 'cpu';
  const caseFolder = join(folder, bench.id);
  mkdirSync(caseFolder);
  const cpus = pinned ? otherCpus : undefined;
  const upstream = await startUpstream({ kind: bench.upstream, folder: caseFolder, cpus, processes: processors });
  running.defer(() => upstream.stop());
  const fail = (proxy: ProxyName, error: unknown): void => {
    signal.throwIfAborted();
    tell(`${bench.id}: ${proxy} FAILED: ${messageOf(error)}`);
    result.failures.push({ proxy, message: messageOf(error) });
  };

  const load = (proxy: Proxy, seconds: number): Promise<LoadFigures> =>
    bench.load({ httpPort: proxy.httpPort, httpsPort: proxy.httpsPort, seconds, cpus, folder: caseFolder, signal });

  async function start(name: ProxyName): Promise<Proxy> {
    const proxyFolder = join(caseFolder, name);
    mkdirSync(proxyFolder);
    const proxy = await starters[name]({
      folder: proxyFolder,
      certificate: options.certificate,
      upstreams: upstream.sockets,
      cpus: pinned ? proxyCpus : undefined,
      processes: pinned ? 1 : processors,
      nodeOptions: options.nodeOptions ?? [],
    });
    running.defer(() => proxy.stop());
    if (bench.upstream === 'static') await checkFields(proxy);
    await load(proxy, Math.min(warmUpSeconds, options.seconds));
    return proxy;
  }

  async function measure(proxy: Proxy, round: number): Promise<Run> {
    const pids = processTree(proxy.pid);
    const before = cpuTimeOf(pids);
    const figures = await load(proxy, options.seconds);
    const after = cpuTimeOf(pids);
    return {
      round,
      proxy: proxy.name,
      ...figures,
      userUs: (after.userUs - before.userUs) / figures.requests,
      systemUs: (after.systemUs - before.systemUs) / figures.requests,
      peakMemoryBytes: peakMemoryOf(pids),
    };
  }

  const started: Proxy[] = [];
  for (const name of proxies)
    await start(name).then(
      (proxy) => started.push(proxy),
      (error: unknown) => fail(name, error),
    );
  for (let round = 0; round < options.rounds; round++) {
    // Each begins a round once in a while, so that none is always behind the same other.
    const order = started.map((_, index) => started[(index + round) % started.length] as Proxy);
    for (const proxy of order) {
      if (result.failures.some((failure) => failure.proxy === proxy.name)) continue;
      await measure(proxy, round).then(
        (run) => {
          result.runs.push(run);
          tell(`${bench.id} ${round + 1}/${options.rounds}: ${describe(run)}`);
        },
        (error: unknown) => fail(proxy.name, error),
      );
    }
  }
  for (const { name, logPath } of started) {
    const requests = result.runs.reduce((total, run) => (run.proxy === name ? total + run.requests : total), 0);
    if (requests > 0) result.logBytesPerRequest[name] = sizeOf(logPath) / requests;
  }
  return result;
}

function describe({ proxy, userUs, systemUs, requestsPerSecond }: Run): string {
  return `${proxy.padEnd(10)} ${(userUs + systemUs).toFixed(1).padStart(8)} us a request, ${requestsPerSecond.toFixed(0)} requests/s`;
}

/** The same fields from everybody: the upstream says what it got. */
async function checkFields({ httpPort }: Proxy): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  get({ host: listenAddress, port: httpPort, path: '/fields', headers: { host: `${hostName}:${httpPort}` }, agent: false }, (response) => {
    void response.toArray().then((chunks) => resolve(Buffer.concat(chunks as Buffer[]).toString()), reject);
  }).once('error', reject);
  const got = await promise;
  const expected = new RegExp(`^(::ffff:)?127\\.0\\.0\\.1\\|http\\|${hostName}(:${httpPort})?\\|${httpPort}\\|[\\w-]{8,}$`);
  if (!expected.test(got)) throw new Error(`forwarding fields: ${got}`);
}

function sizeOf(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return stat?.size ?? 0;
  return readdirSync(path).reduce((total, name) => total + sizeOf(join(path, name)), 0);
}
