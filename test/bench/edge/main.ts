/*
What the edge costs beside other proxies: CPU time a request (user and system time of all processes of a proxy, from
/proc/PID/stat, over the requests of that run), requests a second, latency, and peak memory (sum of VmHWM).

Usage: npm run bench:edge -- [options]
  --rounds N     how often each proxy is measured in each case (5); medians are printed, ratios are medians of each round's
  --seconds N    how long each time (3)
  --cases A,B    of: CASES
  --proxies A,B  of: PROXIES
  --json FILE    every single run goes there
  --install      missing programs are installed with apt-get, which needs root
  --profile      no comparison: where the edge's own time goes (node --cpu-prof)

All proxies of a case run all the time; in each round each is loaded once, one after the other. Access logs are on for all, with
the same fields (Caddy's has some more), and all set the same forwarding fields; nginx's log is buffered like ours. Upstream
connections are kept open and go to a Unix socket. One process or thread each, on the last processor; the load and the upstream
are on the others. With two processors both share one, and what it can do bounds requests a second: then CPU time is the
figure to look at. Only `app` leaves all processors to everything.
The upstream is an nginx that answers from memory; for uploads and WebSockets, a small server on node:net; for `app`, Fastify.
nginx has buffers that hold a whole answer, and passes bodies on as they come. Times are of the whole way: load, proxy, upstream.
Memory that two processes of a proxy share counts twice: ours, and nginx's master and worker.
Not measured here: tenantd's sandboxes; the edge runs as built, without its own.
*/
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchCases } from './cases.ts';
import { makeCertificate } from './certificate.ts';
import { formatProfiles, profileOptions } from './profile.ts';
import { installPackages, missingPackages } from './programs.ts';
import { proxyNames } from './proxy.ts';
import { formatCase, formatMarkdown } from './report.ts';
import { type CaseResult, runCase } from './run-case.ts';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    cases: { type: 'string' },
    proxies: { type: 'string' },
    json: { type: 'string' },
    install: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const caseIds = benchCases.map(({ id }) => id);
if (flags.help) end(0, helpText());

const ids = chosen('cases', flags.profile ? (flags.cases ?? 'h1-small') : flags.cases, caseIds);
const cases = benchCases.filter(({ id }) => ids.includes(id));
const proxies = flags.profile ? (['tenantd'] as const) : chosen('proxies', flags.proxies, proxyNames);
const rounds = flags.profile ? 1 : positive('rounds', flags.rounds);
const seconds = positive('seconds', flags.seconds);
requirePrograms(['nginx', 'wrk', 'h2load', 'openssl', 'taskset', ...proxies.filter((name) => name === 'haproxy' || name === 'caddy')]);

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort(new Error(`ended by ${signal}`)));
const folder = mkdtempSync(join(tmpdir(), 'edge-bench-'));
try {
  await runAll();
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(`${interrupted.signal.aborted ? String(interrupted.signal.reason) : String((error as Error).stack)}\n`);
} finally {
  rmSync(folder, { recursive: true });
}

async function runAll(): Promise<void> {
  const certificate = makeCertificate(folder);
  const results: CaseResult[] = [];
  print(`${cpus()[0]?.model}, ${availableParallelism()} processors; Node ${process.versions.node}; ${rounds} rounds of ${seconds} s\n`);
  for (const bench of cases) {
    const profiles = join(folder, `${bench.id}-profiles`);
    const result = await runCase(bench, {
      folder,
      certificate,
      proxies: bench.proxies.filter((name) => proxies.some((other) => other === name)),
      rounds,
      seconds,
      signal: interrupted.signal,
      nodeOptions: flags.profile ? profileOptions(profiles) : [],
      tell: (line) => void process.stderr.write(`${line}\n`),
    });
    results.push(result);
    if (result.failures.length > 0) process.exitCode = 1;
    print(formatCase(bench, result));
    if (flags.profile) print(`${formatProfiles(profiles)}\n`);
  }
  if (!flags.profile) print(cases.map((bench, index) => formatMarkdown(bench, results[index] as CaseResult)).join('\n'));
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(results, undefined, 2)}\n`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function end(exitCode: number, text: string): never {
  (exitCode === 0 ? process.stdout : process.stderr).write(`${text}\n`);
  process.exit(exitCode);
}

function helpText(): string {
  const text = readFileSync(new URL(import.meta.url), 'utf8');
  return text.slice(3, text.indexOf('*/')).replace('CASES', caseIds.join(',')).replace('PROXIES', proxyNames.join(','));
}

function chosen<Name extends string>(flag: string, value: string | undefined, all: readonly Name[]): readonly Name[] {
  if (value === undefined) return all;
  const names = value.split(',');
  const unknown = names.filter((name) => !all.some((other) => other === name));
  if (unknown.length > 0) end(2, `--${flag}: there is no ${unknown.join(', ')}; there are ${all.join(', ')}`);
  return all.filter((name) => names.includes(name));
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) end(2, `--${flag}: ${text} is no whole number from 1 on`);
  return value;
}

function requirePrograms(programs: readonly string[]): void {
  const missing = missingPackages(programs);
  if (missing.length === 0) return;
  if (flags.install) return installPackages(missing);
  end(2, `programs are missing: apt-get install -y --no-install-recommends ${missing.join(' ')}   (or --install)`);
}
