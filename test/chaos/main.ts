/*
Kills, breaks, deploys and rolls back at random, under a steady load on twenty tenants, of which ten are left alone.
Root; in a network of its own. Usage: npm run build && npm run chaos [-- OPTIONS]

  --minutes N    how long (2); --seconds N instead
  --seed N       repeats a run's choices (not its timing)
  --actors N     how many take steps at the same time (2)
  --pace MS      longest pause between two steps (400)
  --rate N       requests a second of each tenant (6)
  --timeline F   every step among what the daemon logged goes there
  --attacks      at the end, attacks from inside each sandbox too (verify without --passive)

A request that broke with its edge is repeated over a new connection where HTTP allows it (GET; RFC 9110, 9.2.2), and counted.
Exit code 1: a request failed that should not, a command did, or something is left.
*/
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { formatResult, formatTimeline, isGood } from './report.ts';
import { runChaos } from './run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seconds: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    actors: { type: 'string', default: '2' },
    pace: { type: 'string', default: '400' },
    rate: { type: 'string', default: '6' },
    timeline: { type: 'string' },
    attacks: { type: 'boolean', default: false },
    // Started by itself, in a network of its own.
    inside: { type: 'boolean', default: false },
  },
});

process.exitCode = values.inside ? await run() : await runInNetwork();

async function run(): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
  const seed = Number(values.seed);
  process.stderr.write(`seed ${seed}\n`);
  const result = await runChaos({
    ...{ seed, seconds: values.seconds === undefined ? Number(values.minutes) * 60 : Number(values.seconds) },
    ...{
      actors: Number(values.actors),
      paceMs: Number(values.pace),
      requestsPerSecond: Number(values.rate),
      withAttacks: values.attacks,
    },
    signal: interrupted.signal,
    tell: (line) => void process.stderr.write(`${line}\n`),
  });
  if (values.timeline !== undefined) writeFileSync(values.timeline, formatTimeline(result));
  process.stdout.write(formatResult(result, seed));
  return isGood(result) ? 0 : 1;
}

/** The daemon makes links and packet rules, which are nobody else's business. */
async function runInNetwork(): Promise<number> {
  const again = [process.execPath, new URL(import.meta.url).pathname, '--inside', ...process.argv.slice(2)];
  const child = spawn('unshare', ['--net', '--', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', ...again], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
