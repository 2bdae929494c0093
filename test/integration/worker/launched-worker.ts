import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { BoundSocket, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeHandOver } from '../../../src/protocol/hand-over.ts';
import { createLineSplitter } from '../../../src/protocol/lines.ts';
import type { WorkerReport, WorkerSettings } from '../../../src/protocol/worker.ts';

export const fixtureApps = join(import.meta.dirname, '../../fixtures/apps');
export const shim = join(import.meta.dirname, '../../../src/worker/main.ts');

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface AskOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** A shim that runs as the daemon launches it: a bound socket as descriptor 3, a FIFO as descriptor 4, its secrets (none) on 5. */
export interface LaunchedWorker extends AsyncDisposable {
  socketPath: string;
  child: ChildProcess;
  printed: () => string;
  reports: WorkerReport[];
  exited: Promise<[code: number | null, signal: string | null]>;
  /** Until what it prints, or its reports as JSON, hold the text. */
  shows(text: string): Promise<void>;
  listening(): Promise<void>;
  ask(path: string, options?: AskOptions): Promise<Answer>;
}

export function launchWorker(app: string, settings: WorkerSettings, env: Record<string, string> = {}): LaunchedWorker {
  const folder = mkdtempSync(join(tmpdir(), 'tenantd-worker-'));
  const socketPath = join(folder, 's');
  const bound = bindSocket(socketPath);
  const pipePath = join(folder, 'report');
  execFileSync('mkfifo', [pipePath]);
  const reader = new Socket({ fd: openSync(pipePath, constants.O_RDONLY | constants.O_NONBLOCK) });
  const writerFd = openSync(pipePath, constants.O_RDWR);
  const child = spawn(process.execPath, [shim, JSON.stringify(settings)], {
    cwd: join(fixtureApps, app),
    env: { PATH: process.env['PATH'] ?? '', HOME: join(folder, 'home'), PORT: '20000', ...env },
    stdio: ['ignore', 'pipe', 'pipe', bound.fd(), writerFd, 'pipe'],
  });
  // The type knows five of them.
  ((child.stdio as readonly unknown[])[5] as Socket).end(encodeHandOver([]));
  closeSync(writerFd);

  let printed = '';
  const reports: WorkerReport[] = [];
  const collect = (chunk: Buffer): void => void (printed += chunk.toString());
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  reader.on(
    'data',
    createLineSplitter(65_536, (line) => void reports.push(JSON.parse(line.toString()) as WorkerReport)),
  );
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>;

  async function shows(text: string): Promise<void> {
    const sources = [child.stdout, child.stderr, reader].filter((stream) => stream !== null);
    const signal = AbortSignal.timeout(10_000);
    while (!printed.includes(text) && !JSON.stringify(reports).includes(text)) {
      const change = new AbortController();
      const waits = sources.map((stream) => once(stream, 'data', { signal: AbortSignal.any([signal, change.signal]) }));
      await Promise.race(waits).catch(() => {
        throw new Error(`it did not show ${text}, only ${printed}${JSON.stringify(reports)}`);
      });
      for (const wait of waits) wait.catch(() => undefined);
      change.abort();
    }
  }

  return {
    socketPath,
    child,
    printed: () => printed,
    reports,
    exited,
    shows,
    listening: () => shows('"listening"'),
    ask: (path, options) => ask(socketPath, path, options),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await exited;
      }
      reader.destroy();
      bound.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** `path` is documented for Node 26 and missing in its types. */
export function bindSocket(path: string): BoundSocket {
  return new BoundSocket({ path } as object);
}

export async function ask(socketPath: string, path: string, { method = 'GET', headers = {}, body }: AskOptions = {}): Promise<Answer> {
  const sent = request({ socketPath, path, method, headers: { host: 'site.example', ...headers }, agent: false });
  sent.end(body);
  const [response] = await once(sent, 'response');
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode, headers: response.headers, body: text };
}
