import { execFileSync, spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, closeSync, constants, existsSync, openSync, readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { until } from '../../support/until.ts';
import { processTree } from './cpu.ts';

/** Debian's package of each program that is not ours. */
const packages: Readonly<Record<string, string>> = {
  nginx: 'nginx-light',
  haproxy: 'haproxy',
  caddy: 'caddy',
  wrk: 'wrk',
  h2load: 'nghttp2-client',
  openssl: 'openssl',
  taskset: 'util-linux',
};

/** Of ordinary users' PATH too, nginx and haproxy are not in there. */
const searchPath = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

export function missingPackages(programs: readonly string[]): string[] {
  return programs.filter((program) => !isInstalled(program)).map((program) => packages[program] ?? program);
}

function isInstalled(program: string): boolean {
  return searchPath.split(':').some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      // Not in this one.
      return false;
    }
  });
}

export function installPackages(names: readonly string[]): void {
  execFileSync('apt-get', ['install', '-y', '--no-install-recommends', ...names], { stdio: 'inherit' });
}

export interface ProgramOptions {
  command: readonly string[];
  /** What it prints goes there, and is shown when it ends too early. */
  outputFile: string;
  /** As for taskset; undefined for all. */
  cpus?: string | undefined;
  env?: Record<string, string>;
  cwd?: string;
  /** Inherited from descriptor 3 on. */
  inherit?: readonly number[];
}

export interface Program {
  pid: number;
  /** It is ready when `look` says so; throws with its output when it ends before. */
  untilReady(look: () => Promise<boolean>): Promise<void>;
  stop(): Promise<void>;
}

const stopGraceMs = 5_000;

export function startProgram({ command, outputFile, cpus, env = {}, cwd, inherit = [] }: ProgramOptions): Program {
  const output = openSync(outputFile, 'a');
  const stdio: StdioOptions = ['ignore', output, output, ...inherit];
  const [file = '', ...args] = pinned(command, cpus);
  const child = spawn(file, args, { stdio, cwd, env: { PATH: searchPath, HOME: cwd, ...env } });
  closeSync(output);
  const exited = once(child, 'exit').catch(() => {});
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const complaint = (): Error => new Error(`${command.join(' ')} ended:\n${readFileSync(outputFile, 'utf8').slice(-2_000)}`);
  return {
    pid: child.pid ?? 0,
    async untilReady(look) {
      await until(async () => hasEnded() || (await look()), `${command[0]} is ready`);
      if (hasEnded()) throw complaint();
    },
    async stop() {
      if (hasEnded()) return;
      const started = processTree(child.pid ?? 0);
      child.kill('SIGTERM');
      const timer = setTimeout(() => started.forEach(killIfThere), stopGraceMs);
      await exited;
      clearTimeout(timer);
      await until(() => started.every((pid) => !existsSync(`/proc/${pid}`)), `${command[0]} and what it started end`, 2 * stopGraceMs);
    },
  };
}

export interface LoaderOptions {
  cpus: string | undefined;
  /** How long it is told to load. */
  seconds: number;
  signal: AbortSignal;
}

const loaderSlackSeconds = 15;

/** h2load's `-D` does so, once in a long while. */
export class LoaderHung extends Error {}

/** Runs a loader to its end, and gives what it printed. Ends it when `signal` says so, or when it takes far too long. */
export async function runLoader(command: readonly string[], { cpus, seconds, signal }: LoaderOptions): Promise<string> {
  const [file = '', ...args] = pinned(command, cpus);
  const late = AbortSignal.timeout((seconds + loaderSlackSeconds) * 1_000);
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: searchPath },
    signal: AbortSignal.any([signal, late]),
    killSignal: 'SIGKILL',
  });
  const printed: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => printed.push(chunk));
  const [code] = (await once(child, 'close').catch((error: unknown) => {
    throw late.aborted ? new LoaderHung(`${command[0]} did not end`) : error;
  })) as [number | null];
  const text = Buffer.concat(printed).toString();
  if (code !== 0) throw new Error(/^\w*Error: .*$/m.exec(text)?.[0] ?? `${command.join(' ')} ended with ${code}:\n${text.slice(-1_000)}`);
  return text;
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

function pinned(command: readonly string[], cpus: string | undefined): string[] {
  return cpus === undefined ? [...command] : ['taskset', '-c', cpus, ...command];
}

/** The kernel's choice; free until somebody else takes it. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export function accepts(address: { port: number; host: string } | { path: string }): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(address);
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}
