import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuTimeOf, processTree } from '../edge/cpu.ts';
import { type Started, type Starter, startBare, withSandboxes } from './app-starters.ts';
import { pssOf } from './process-memory.ts';

export interface Measurement {
  name: string;
  bare: number;
  sandboxed: number;
}

// A request to /files reads two hundred small files: open, stat, read and close of each, without Node's thread pool.
const source = `
const fs = require('node:fs');
const folder = process.env.TENANTD_DATA_DIR;
for (let name = 0; name < 200; name++) fs.writeFileSync(folder + '/' + name, 'some text '.repeat(20));
require('node:http').createServer((request, response) => {
  let bytes = 0;
  if (request.url === '/files') for (let name = 0; name < 200; name++) bytes += fs.readFileSync(folder + '/' + name).length;
  response.end('hello ' + bytes);
}).listen(process.env.PORT);
`;

const mostRequests = { '/': 20_000, '/files': 600 } as const;
const connections = 16;

/** Bare and sandboxed by turns, so that what disturbs the machine disturbs both. */
export async function measureEverything(rounds: number): Promise<Measurement[]> {
  const folder = mkdtempSync(join(tmpdir(), 'tenantd-bench-'));
  try {
    const app = join(folder, 'app');
    mkdirSync(app);
    writeFileSync(join(app, 'app.js'), source);
    return await withSandboxes({ folder, app }, (startSandboxed) =>
      measureBoth(rounds, { bare: startBare({ folder, app }), sandboxed: startSandboxed }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Starters {
  bare: Starter;
  sandboxed: Starter;
}

async function measureBoth(rounds: number, starters: Starters): Promise<Measurement[]> {
  await byTurns(2, starters, firstAnswer); // warms caches
  return [
    { name: '/bin/true: start to end, ms', ...(await byTurns(rounds, starters, async (starter) => startToEnd(starter))) },
    { name: 'Node app: start to its first answer, ms', ...(await byTurns(rounds, starters, firstAnswer)) },
    { name: 'memory of app and its sandbox, PSS MB', ...(await byTurns(3, starters, memory)) },
    { name: "app's CPU a request, us", ...(await byTurns(5, starters, (starter) => load(starter, '/', 'cpu'))) },
    { name: 'requests a second, 16 connections', ...(await byTurns(5, starters, (starter) => load(starter, '/', 'rate'))) },
    { name: "app's CPU for reading 200 small files, us", ...(await byTurns(5, starters, (starter) => load(starter, '/files', 'cpu'))) },
  ];
}

async function byTurns(rounds: number, { bare, sandboxed }: Starters, measure: (starter: Starter) => Promise<number>) {
  const found: { bare: number[]; sandboxed: number[] } = { bare: [], sandboxed: [] };
  for (let round = 0; round < rounds; round++) {
    found.bare.push(await measure(bare));
    found.sandboxed.push(await measure(sandboxed));
  }
  return { bare: medianOf(found.bare), sandboxed: medianOf(found.sandboxed) };
}

async function startToEnd(starter: Starter): Promise<number> {
  const startedMs = performance.now();
  const { ended, removed } = await starter.start('true');
  await ended;
  const elapsedMs = performance.now() - startedMs;
  await removed;
  return elapsedMs;
}

async function firstAnswer(starter: Starter): Promise<number> {
  const startedMs = performance.now();
  return withApp(starter, () => Promise.resolve(performance.now() - startedMs));
}

async function memory(starter: Starter): Promise<number> {
  return withApp(starter, async ({ pid, socket }) => {
    await ask(socket, '/', new http.Agent());
    return pssOf(processTree(pid)) / 1e6;
  });
}

async function load(starter: Starter, path: keyof typeof mostRequests, figure: 'cpu' | 'rate'): Promise<number> {
  return withApp(starter, async ({ pid, socket }) => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
    await askMany(socket, path, agent, mostRequests[path] / 3);
    const pids = processTree(pid);
    const [before, startedMs] = [cpuTimeOf(pids), performance.now()];
    await askMany(socket, path, agent, mostRequests[path]);
    const [after, elapsedMs] = [cpuTimeOf(pids), performance.now() - startedMs];
    agent.destroy();
    const spentUs = after.userUs + after.systemUs - before.userUs - before.systemUs;
    return figure === 'cpu' ? spentUs / mostRequests[path] : (mostRequests[path] * 1_000) / elapsedMs;
  });
}

/** Started, and answering. */
async function withApp<Result>(starter: Starter, use: (app: Started) => Promise<Result>): Promise<Result> {
  const app = await starter.start('app');
  try {
    await untilAnswers(app);
    return await use(app);
  } finally {
    app.end();
    await app.removed;
  }
}

async function untilAnswers({ socket, ended }: Started): Promise<void> {
  const agent = new http.Agent();
  const over = ended.then(() => Promise.reject(new Error('the app ended')));
  over.catch(() => {});
  for (;;) {
    const answered = await Promise.race([ask(socket, '/', agent).catch(() => false), over]);
    if (answered === 200) return;
    await Promise.race([new Promise((resolve) => setTimeout(resolve, 1)), over]);
  }
}

async function askMany(socket: string, path: string, agent: http.Agent, count: number): Promise<void> {
  let left = count;
  const asker = async (): Promise<void> => {
    while (left-- > 0) await ask(socket, path, agent);
  };
  await Promise.all(Array.from({ length: connections }, asker));
}

async function ask(socketPath: string, path: string, agent: http.Agent): Promise<number | undefined> {
  const request = http.get({ socketPath, path, agent });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();
  await once(response, 'end');
  return response.statusCode;
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? NaN;
}
