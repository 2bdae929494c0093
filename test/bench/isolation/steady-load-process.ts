// A good tenant's clients, with JSON of SteadyLoad in argv[2]: so many requests a second, whether answers come or not, over connections
// that are kept. Prints JSON of LoadFigures by target.
import http from 'node:http';
import { setNice } from './weights.ts';

export interface SteadyLoad {
  port: number;
  seconds: number;
  targets: { host: string; perSecond: number }[];
}

export interface LoadFigures {
  host: string;
  requests: number;
  p50Ms: number;
  p99Ms: number;
  longestMs: number;
  errors: Record<string, number>;
}

/** A client is on a machine of its own: it does not wait for a processor because of what it measures. */
const clientNice = -15;
/** Sockets beyond it wait: longer than any load takes. */
const mostSockets = 512;
const timeLimitMs = 15_000;

const { port, seconds, targets } = JSON.parse(process.argv[2] ?? '') as SteadyLoad;
setNice(0, clientNice);
const agent = new http.Agent({ keepAlive: true, maxSockets: mostSockets });
process.stdout.write(JSON.stringify(await Promise.all(targets.map(load))));
agent.destroy();

async function load({ host, perSecond }: SteadyLoad['targets'][number]): Promise<LoadFigures> {
  const durationsMs: number[] = [];
  const errors: Record<string, number> = {};
  const asked: Promise<void>[] = [];
  // The first ones open connections: they are not of the steady load.
  await Promise.all(Array.from({ length: 4 }, () => ask(host).catch(() => {})));
  const { promise, resolve } = Promise.withResolvers<void>();
  const startedMs = performance.now();
  const timer = setInterval(() => {
    const elapsedMs = performance.now() - startedMs;
    while (asked.length < (Math.min(elapsedMs, seconds * 1_000) * perSecond) / 1_000) asked.push(askOnce());
    if (elapsedMs < seconds * 1_000) return;
    clearInterval(timer);
    resolve();
  }, 1);
  await promise;
  await Promise.all(asked);
  const sorted = durationsMs.toSorted((left, right) => left - right);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return { host, requests: asked.length, p50Ms: at(0.5), p99Ms: at(0.99), longestMs: at(1), errors };

  async function askOnce(): Promise<void> {
    const sentMs = performance.now();
    const outcome = await ask(host).catch((error: NodeJS.ErrnoException) => error.code ?? error.message);
    if (outcome === 200) durationsMs.push(performance.now() - sentMs);
    else errors[outcome] = (errors[outcome] ?? 0) + 1;
  }
}

function ask(host: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const options = { host: '127.0.0.1', port, agent, headers: { host }, signal: AbortSignal.timeout(timeLimitMs) };
  const request = http.get(options, (response) => {
    response.on('end', () => resolve(response.statusCode ?? 0));
    response.on('error', reject);
    response.resume();
  });
  request.on('error', reject);
  return promise;
}
