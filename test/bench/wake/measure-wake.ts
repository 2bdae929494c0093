import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { withSleepingTenant, type Woken } from './sleeping-tenant.ts';

export interface WakeFigures {
  name: string;
  least: number;
  p50: number;
  mean: number;
  p90: number;
  p99: number;
}

interface Samples {
  bare: number[];
  woken: number[];
  prepare: number[];
  launch: number[];
  answer: number[];
  bareCpu: number[];
  groupCpu: number[];
  aroundCpu: number[];
}

export async function measureWake(folder: string, source: string, rounds: number): Promise<WakeFigures[]> {
  const file = join(folder, 'app.js');
  writeFileSync(file, source);
  return withSleepingTenant(folder, { 'app.js': source }, async (wake) => {
    const samples: Samples = { bare: [], woken: [], prepare: [], launch: [], answer: [], bareCpu: [], groupCpu: [], aroundCpu: [] };
    await round(file, folder, wake, undefined);
    for (let count = 0; count < rounds; count++) await round(file, folder, wake, samples);
    return [
      figuresOf('node app.js, started bare', samples.bare),
      figuresOf('the same, of a tenant asleep', samples.woken),
      figuresOf('  everything before its sandbox', samples.prepare),
      figuresOf('  its sandbox', samples.launch),
      figuresOf('  until its first answer', samples.answer),
      figuresOf('processor time, bare', samples.bareCpu),
      figuresOf('processor time in the tenant, woken', samples.groupCpu),
      figuresOf('  and of the daemon for it', samples.aroundCpu),
    ];
  });
}

/** One after the other, so that what disturbs the machine disturbs both. */
async function round(file: string, folder: string, wake: () => Promise<Woken>, samples: Samples | undefined): Promise<void> {
  const bare = await measureBare(file, join(folder, 'bare.sock'));
  const cpuBefore = ownCpuMs();
  const startedMs = performance.now();
  const woken = await wake();
  const listeningMs = performance.now();
  const aroundCpuMs = ownCpuMs() - cpuBefore;
  await firstAnswer(woken.socket);
  const answeredMs = performance.now();
  const groupCpuMs = woken.cpuMs();
  await woken.sleep();
  samples?.bare.push(bare.elapsedMs);
  samples?.bareCpu.push(bare.cpuMs);
  samples?.woken.push(answeredMs - startedMs);
  samples?.prepare.push(woken.prepareMs);
  samples?.launch.push(woken.launchMs);
  samples?.answer.push(answeredMs - listeningMs);
  samples?.groupCpu.push(groupCpuMs);
  samples?.aroundCpu.push(aroundCpuMs);
}

async function measureBare(file: string, socket: string): Promise<{ elapsedMs: number; cpuMs: number }> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [file], { env: { PORT: socket, NODE_ENV: 'production' }, stdio: 'ignore' });
  const ended = once(child, 'exit');
  await firstAnswer(socket);
  const elapsedMs = performance.now() - startedMs;
  const cpuMs = cpuMsOf(child.pid ?? 0);
  child.kill('SIGKILL');
  await ended;
  rmSync(socket, { force: true });
  return { elapsedMs, cpuMs };
}

/** Of all its threads: nanoseconds on a processor (proc(5), schedstat). */
function cpuMsOf(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = threads.map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]));
  return nanoseconds.reduce((sum, value) => sum + value, 0) / 1e6;
}

/** Of this process, and of all that it started and waited for: those in steps of 10 ms; the mean of many is exact enough. */
function ownCpuMs(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000 + [13, 14].reduce((sum, index) => sum + Number(fields[index]) * 10, 0);
}

async function firstAnswer(socketPath: string): Promise<void> {
  for (let tries = 0; tries < 20_000; tries++) {
    if (await ask(socketPath).catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`nothing answers at ${socketPath}`);
}

async function ask(socketPath: string): Promise<boolean> {
  const request = http.get({ socketPath, path: '/', agent: new http.Agent() });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();
  await once(response, 'end');
  return response.statusCode === 200;
}

function figuresOf(name: string, values: readonly number[]): WakeFigures {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return {
    name,
    least: at(0),
    p50: at(0.5),
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    p90: at(0.9),
    p99: at(0.99),
  };
}
