import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LoaderOptions, runLoader } from './programs.ts';
import { hostName, listenAddress, type Ports } from './proxy.ts';

export interface LoadFigures {
  requests: number;
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
}

/** Where the load goes, and from which processors it comes. */
export interface LoadTarget extends Ports, LoaderOptions {
  folder: string;
}

/** What a loader of our own gets as argv[2], as JSON. */
export interface ProcessLoad {
  port: number;
  connections: number;
  seconds: number;
}

export interface WrkLoad {
  connections: number;
  path: string;
  tls?: boolean;
  uploadBytes?: number;
}

/** HTTP/1.1. Throws unless every answer was good. */
export async function loadWithWrk(target: LoadTarget, load: WrkLoad): Promise<LoadFigures> {
  const { seconds, folder } = target;
  const url = load.tls ? `https://${hostName}:${target.httpsPort}` : `http://${hostName}:${target.httpPort}`;
  const options = ['--latency', '-t1', `-c${load.connections}`, `-d${seconds}s`];
  if (load.uploadBytes !== undefined) {
    const script = join(folder, 'upload.lua');
    writeFileSync(script, `wrk.method = "POST"\nwrk.body = string.rep("x", ${load.uploadBytes})\n`);
    options.push('-s', script);
  }
  return parseWrk(await runLoader(['wrk', ...options, `${url}${load.path}`], target));
}

function parseWrk(text: string): LoadFigures {
  const bad = /^ *(Socket errors|Non-2xx).*$/m.exec(text);
  if (bad) throw new Error(bad[0].trim());
  const percentile = (name: string): number => toMs(capture(text, new RegExp(`^ *${name}% +([\\d.]+[a-z]+) *$`, 'm')));
  const requests = Number(capture(text, /^ *(\d+) requests in /m));
  if (requests === 0) throw new Error('not one request was answered');
  return {
    requests,
    requestsPerSecond: Number(capture(text, /^Requests\/sec: +([\d.]+)$/m)),
    p50Ms: percentile('50'),
    p99Ms: percentile('99'),
  };
}

export interface H2Load {
  connections: number;
  /** Open streams of each. */
  streams: number;
  path: string;
}

/** HTTP/2 over TLS. Throws unless every answer was good. */
export async function loadWithH2load(target: LoadTarget, { connections, streams, path }: H2Load): Promise<LoadFigures> {
  const log = join(target.folder, 'h2load.log');
  const options = ['-t1', `-c${connections}`, `-m${streams}`, `-D${target.seconds}`, `--log-file=${log}`];
  // SNI and :authority as a browser would send them, whatever the name resolves to.
  options.push(`--connect-to=${listenAddress}:${target.httpsPort}`);
  try {
    const text = await runLoader(['h2load', ...options, `https://${hostName}:${target.httpsPort}${path}`], target);
    return parseH2load(text, readFileSync(log, 'utf8'));
  } finally {
    rmSync(log, { force: true });
  }
}

/** The log has a line a request: start, status, duration in microseconds. */
function parseH2load(text: string, log: string): LoadFigures {
  if (!/^Application protocol: h2$/m.test(text)) throw new Error(`no HTTP/2:\n${text.slice(-1_000)}`);
  const bad = / [1-9]\d* (failed|errored|timeout|3xx|4xx|5xx)/.exec(text);
  const requests = Number(capture(text, /(\d+) succeeded/));
  if (bad || requests === 0) throw new Error(capture(text, /^(requests: .*)$/m));
  const durations = Float64Array.from(log.trimEnd().split('\n'), (line) => Number(line.split('\t')[2])).sort();
  const percentile = (share: number): number => (durations[Math.floor(durations.length * share)] ?? NaN) / 1_000;
  return {
    requests,
    requestsPerSecond: Number(capture(text, /^finished in .*?, ([\d.]+) req\/s/m)),
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
  };
}

/** A request is a message and its echo. Throws when a connection ends or an echo differs. */
export function loadWebSockets(target: LoadTarget, connections: number): Promise<LoadFigures> {
  return loadWithProcess('websocket-process.ts', target, { port: target.httpPort, connections, seconds: target.seconds });
}

/** wrk would resume its sessions. Throws unless each handshake was whole and each answer good. */
export function loadHandshakes(target: LoadTarget, connections: number): Promise<LoadFigures> {
  return loadWithProcess('handshake-process.ts', target, { port: target.httpsPort, connections, seconds: target.seconds });
}

async function loadWithProcess(script: string, target: LoadTarget, load: ProcessLoad): Promise<LoadFigures> {
  const file = new URL(script, import.meta.url).pathname;
  return JSON.parse(await runLoader([process.execPath, file, JSON.stringify(load)], target)) as LoadFigures;
}

function capture(text: string, pattern: RegExp): string {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`the loader printed something else:\n${text.slice(-1_000)}`);
  return found;
}

const unitsMs: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000, m: 60_000 };

function toMs(text: string): number {
  const [, figure, unit = ''] = /^([\d.]+)(\D+)$/.exec(text) ?? [];
  return Number(figure) * (unitsMs[unit] ?? NaN);
}
