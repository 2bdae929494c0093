/*
What idle and slow connections cost the edge.

Usage: npm run bench:idle -- [options]
  --connections N  open at once, of each kind, after one request each (10,000)
  --slow N         connections that send a head by one byte a second, and as many that stop in a TLS handshake (1,000)
  --requests N     asked one after another meanwhile, each on a connection of its own (1,000)
  --rounds N       how often each kind is opened and closed (2)

Memory is that of the edge and its master together after a garbage collection, as in soak.ts. Exit code 1 when an idle connection was
closed early, a slow one was not closed within its time, or more than a tenth of V8's and other live memory was not given back.
PSS is not given back: the C library keeps freed pages for the next connections. What a connection of TLS may use it does not touch
at once, so that later rounds take more of it, up to about 100 KiB each (Node 26).
The edge runs as built (npm run build), one process, without its sandbox. Needs nginx, and `ulimit -n` well over --connections.
*/
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { until } from '../../support/until.ts';
import type { LoadFigures } from './loaders.ts';
import { startSoakEdge } from './soak-edge.ts';
import { closeAll, type IdleKind, measureLatency, openIdle, sendSlowly } from './soak-idle-clients.ts';
import { type MemorySample, probeOptions, residentOf, sampleMemory } from './soak-memory.ts';
import { startUpstream } from './upstream.ts';

const { values: flags } = parseArgs({
  options: {
    connections: { type: 'string', default: '10000' },
    slow: { type: 'string', default: '1000' },
    requests: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '2' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (flags.help) {
  const text = readFileSync(new URL(import.meta.url), 'utf8');
  process.stdout.write(text.slice(3, text.indexOf('*/')));
  process.exit(0);
}
const [connections, slow, requests] = [Number(flags.connections), Number(flags.slow), Number(flags.requests)];
/** The edge's limits for a head and for a handshake, and what its clock and ours may add. */
const longestSeconds = 10 + 2;
const lingerMs = 7_000;

await using running = new AsyncDisposableStack();
const folder = mkdtempSync(join(tmpdir(), 'edge-idle-'));
running.defer(() => rmSync(folder, { recursive: true }));
const upstream = await startUpstream({ kind: 'static', folder, processes: 1 });
running.defer(() => upstream.stop());
const edge = await startSoakEdge({ folder, socket: 'bench/static0.sock', nodeOptions: probeOptions(folder) });
running.defer(() => edge.stop());
const pids = edge.pids();
const faults: string[] = [];

// Code is compiled, and pools find their size.
for (const kind of ['plain', 'TLS', 'HTTP/2'] as const) await closeAll(await openIdle(edge, kind, 500));
await untilClosed();
print(`without:                ${latencyText(await measureLatency(edge, requests))}`);
for (const kind of ['plain', 'TLS', 'HTTP/2'] as const) {
  for (let round = 0; round < Number(flags.rounds); round++) await measureIdle(kind);
}
await measureSlow('slow heads', edge.httpPort, 'GET / HTTP/1.1\r\nx: ', true);
await measureSlow('stopped handshakes', edge.httpsPort, '\u0016\u0003\u0001\u0002\u0000\u0001', false);
for (const fault of faults) print(`FAULT: ${fault}`);
process.exitCode = faults.length === 0 ? 0 : 1;

async function measureIdle(kind: IdleKind): Promise<void> {
  const before = await sampleMemory(folder, pids);
  const sockets = await openIdle(edge, kind, connections);
  const during = await sampleMemory(folder, pids);
  const latency = await measureLatency(edge, requests);
  const open = sockets.filter((socket) => !socket.destroyed).length;
  await closeAll(sockets);
  await untilClosed();
  const after = await sampleMemory(folder, pids);
  if (open < connections) faults.push(`${connections - open} of ${connections} idle connections (${kind}) were closed`);
  const live = (sample: MemorySample): number => sample.heapBytes + sample.externalBytes;
  const kept = (live(after) - live(before)) / (live(during) - live(before));
  if (kept > 0.1) faults.push(`${kind}: ${(100 * kept).toFixed(0)} % of the live memory was not given back`);
  const each = (name: keyof MemorySample): string => ((during[name] - before[name]) / connections / 1024).toFixed(2);
  print(`\n${connections} idle, ${kind}: ${each('pssBytes')} KiB of PSS each, of that ${each('heapBytes')} live heap`);
  print(`  before ${sizes(before)}\n  with   ${sizes(during)}\n  after  ${sizes(after)}\n  requests: ${latencyText(latency)}`);
}

async function measureSlow(title: string, port: number, text: string, drip: boolean): Promise<void> {
  const closed = Array.from({ length: slow }, () => sendSlowly(port, text, drip));
  const latency = await measureLatency(edge, requests);
  const results = await Promise.all(closed);
  const seconds = results.map((result) => result.seconds).toSorted((left, right) => left - right);
  const told = results.filter(({ answer }) => answer.startsWith('HTTP/1.1 408 ')).length;
  print(`\n${slow} ${title}: closed after ${seconds[0]?.toFixed(1)} to ${seconds.at(-1)?.toFixed(1)} s, ${told} of them with a 408`);
  print(`  requests: ${latencyText(latency)}`);
  if ((seconds.at(-1) ?? 0) > longestSeconds) faults.push(`${title} were open for longer than ${longestSeconds} s`);
}

/** The edge has no client's connection any more; those to the upstream that wait for work are few. */
async function untilClosed(): Promise<void> {
  const descriptors = (): number => pids.reduce((sum, pid) => sum + residentOf(pid).descriptors, 0);
  await until(() => descriptors() < 400, 'the edge closes what its clients closed', 4 * lingerMs);
}

function sizes({ pssBytes, rssBytes, heapBytes, externalBytes, descriptors }: MemorySample): string {
  const [pss, rss, heap, external] = [pssBytes, rssBytes, heapBytes, externalBytes].map((bytes) => (bytes / 1e6).toFixed(1).padStart(6));
  return `PSS ${pss} MB, RSS ${rss} MB, heap ${heap} MB, external ${external} MB, ${descriptors} descriptors`;
}

function latencyText({ requests, p50Ms, p99Ms }: LoadFigures): string {
  return `${requests} served, p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
