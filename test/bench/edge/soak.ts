/*
The edge's memory under long load: does it stay flat?

Usage: npm run bench:soak -- [options]
  --requests N     in all: a third each over HTTP/1.1, HTTP/1.1 with TLS, and HTTP/2 (10,000,000)
  --connections N  opened and closed besides, plain and TLS, most of them cut in the middle of something (100,000)
  --updates N      of routes and certificates while it goes on (1,000)
  --phases N       into how many parts all that is cut (12)
  --idle SECONDS   the pause before memory is looked at (12: longer than a handshake that was cut, or a head, is waited for)
  --json FILE      every sample goes there

After each phase and its pause, the edge and its master collect their garbage and tell what is alive. Printed are the sums of both:
PSS and RSS from /proc/PID/smaps_rollup, V8's heap, what lies outside of it, and open descriptors.
Exit code 1 when memory grows, by the rule in soak-verdict.ts, or a request failed, or the edge was started anew.
The edge runs as built (npm run build), one process, without its sandbox. Needs h2load and nginx (nghttp2-client, nginx-light).
*/
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { missingPackages } from './programs.ts';
import { openAndClose } from './soak-connections.ts';
import { type SoakEdge, startSoakEdge } from './soak-edge.ts';
import { loadAll } from './soak-load.ts';
import { probeOptions, sampleMemory } from './soak-memory.ts';
import { columns, formatPhase, type PhaseResult } from './soak-report.ts';
import { judge, maxGrowth } from './soak-verdict.ts';
import { startUpstream } from './upstream.ts';

const { values: flags } = parseArgs({
  options: {
    requests: { type: 'string', default: '10000000' },
    connections: { type: 'string', default: '100000' },
    updates: { type: 'string', default: '1000' },
    phases: { type: 'string', default: '12' },
    idle: { type: 'string', default: '12' },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (flags.help) {
  const text = readFileSync(new URL(import.meta.url), 'utf8');
  process.stdout.write(text.slice(3, text.indexOf('*/')));
  process.exit(0);
}
const [requests, connections, updates, phases] = [flags.requests, flags.connections, flags.updates, flags.phases].map(Number) as [
  ...[number, number, number, number],
];
const connectionsAtOnce = 16;
const missing = missingPackages(['nginx', 'h2load', 'openssl']);
if (missing.length > 0) throw new Error(`programs are missing: apt-get install -y --no-install-recommends ${missing.join(' ')}`);

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort(new Error(`ended by ${signal}`)));
await using running = new AsyncDisposableStack();
const folder = mkdtempSync(join(tmpdir(), 'edge-soak-'));
running.defer(() => rmSync(folder, { recursive: true }));
const upstream = await startUpstream({ kind: 'static', folder, processes: 1 });
running.defer(() => upstream.stop());
const edge = await startSoakEdge({ folder, socket: 'bench/static0.sock', nodeOptions: probeOptions(folder) });
running.defer(() => edge.stop());
process.exitCode = await soak(edge);

async function soak(edge: SoakEdge): Promise<number> {
  const samples: PhaseResult[] = [];
  const faults: string[] = [];
  const pids = edge.pids();
  const begunMs = performance.now();
  print(columns);
  for (let phase = 1; phase <= phases; phase++) {
    const phaseMs = performance.now();
    const served = await runPhase(edge, phase, faults);
    const tookMs = performance.now() - phaseMs;
    await delay(Number(flags.idle) * 1_000);
    const sample = await sampleMemory(folder, pids);
    const result = { phase, seconds: (performance.now() - begunMs) / 1_000, requestsPerSecond: (served / tookMs) * 1_000, ...sample };
    samples.push(result);
    print(formatPhase(result));
  }
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(samples, undefined, 2)}\n`);
  if (edge.pids().join() !== pids.join()) faults.push('an edge ended and was started again');
  return report(samples, [...faults, ...edge.problems]);
}

/** Its share of everything, all at the same time; answers how many requests were served. */
async function runPhase(edge: SoakEdge, phase: number, faults: string[]): Promise<number> {
  const shareOf = (all: number): number => Math.floor((all * phase) / phases) - Math.floor((all * (phase - 1)) / phases);
  const updating = setInterval(() => edge.updates() < Math.floor((updates * phase) / phases) && edge.update(), 20);
  try {
    const opening = openAndClose(edge, shareOf(connections), connectionsAtOnce);
    const served = await loadAll(edge, shareOf(requests), interrupted.signal);
    faults.push(...(await opening));
    return served;
  } finally {
    clearInterval(updating);
    while (edge.updates() < Math.floor((updates * phase) / phases)) edge.update();
  }
}

function report(samples: readonly PhaseResult[], faults: readonly string[]): number {
  const { flat, lines } = judge(samples);
  print(`\nmedian of the last third of the samples over that of the middle third; at most +${100 * maxGrowth} % is flat`);
  for (const line of lines) print(line);
  for (const fault of faults.slice(0, 20)) print(`FAULT: ${fault}`);
  print(`${requests} requests, ${connections} connections, ${edge.updates()} updates; ${faults.length} faults`);
  print(flat && faults.length === 0 ? 'flat' : 'NOT flat, or not without faults');
  return flat && faults.length === 0 ? 0 : 1;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
