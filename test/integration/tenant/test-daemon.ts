import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { closeSync, constants as fsConstants, cpSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { createServer, type BoundSocket, type Server, type Socket } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AppName, TenantName, WorkerId } from '../../../src/base/ids.ts';
import { type Channel, createChannel } from '../../../src/protocol/channel.ts';
import {
  type AppSpec,
  hostCalls,
  hostEvents,
  type HostNotifications,
  type HostRequests,
  type WorkerInfo,
} from '../../../src/protocol/host.ts';
import { encodeHandOver } from '../../../src/protocol/hand-over.ts';
import type { WorkerSettings } from '../../../src/protocol/worker.ts';
import { bindSocket, fixtureApps, shim } from '../worker/launched-worker.ts';

const hostMain = join(import.meta.dirname, '../../../src/tenant/main.ts');
const waitMs = 30_000;

export interface HostEvent {
  name: keyof typeof hostEvents | Exclude<keyof typeof hostCalls, 'start-worker'>;
  // Checked by the schema of its name.
  params: Record<string, unknown>;
}

interface Worker {
  info: WorkerInfo;
  child: ChildProcess;
  bound: BoundSocket;
}

export function appSpec(app: string, changes: Partial<AppSpec> = {}): AppSpec {
  return { app: app as AppName, kind: 'node', desired: 'running', generation: 1, workers: 1, startTimeoutMs: 10_000, ...changes };
}

/** Takes the daemon's place: real host, real shims, real sockets and FIFOs, no sandboxes. */
export class TestDaemon implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'tenantd-host-'));
  readonly events: HostEvent[] = [];
  readonly workers = new Map<WorkerId, Worker>();
  readonly staticSocket = this.path('static.sock');
  readonly #bound = bindSocket(this.staticSocket);
  readonly #changes = new EventEmitter();
  #server: Server | undefined;
  #channel: Channel | undefined;
  #specs: AppSpec[] = [];
  #starts = 0;
  host: ChildProcess | undefined;
  printed = '';
  /** By app; the fixture's `server.js` as a Node app where nothing is said. */
  settings: Record<string, WorkerSettings> = {};
  /** Starts are answered when the worker has ended already, and its end was told. */
  answersLate = false;
  limits = { logMaxBytes: 1_000_000, logKeep: 2 };

  constructor() {
    for (const dir of ['sockets', 'pipes', 'apps', 'logs', 'data']) mkdirSync(this.path(dir));
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  async listen(): Promise<void> {
    this.#server = createServer((socket) => this.#serve(socket)).listen(this.path('control.sock'));
    await once(this.#server, 'listening');
  }

  startHost(): void {
    const paths = {
      controlSocket: this.path('control.sock'),
      socketsDir: this.path('sockets'),
      pipesDir: this.path('pipes'),
      appsDir: this.path('apps'),
      logsDir: this.path('logs'),
    };
    this.host = spawn(process.execPath, [hostMain, JSON.stringify(paths)], { stdio: ['ignore', 'pipe', 'pipe', this.#bound.fd()] });
    this.host.stdout?.on('data', (chunk: Buffer) => (this.printed += chunk.toString()));
    this.host.stderr?.on('data', (chunk: Buffer) => (this.printed += chunk.toString()));
  }

  async killHost(signal: NodeJS.Signals): Promise<unknown[]> {
    const { host } = this;
    if (!host) return [];
    host.kill(signal);
    return host.exitCode === null && host.signalCode === null ? once(host, 'exit') : [host.exitCode, host.signalCode];
  }

  /** Copies the fixtures of these apps and tells the host. */
  async configure(...specs: AppSpec[]): Promise<void> {
    for (const { app } of specs) this.#place(app);
    this.#specs = specs;
    await this.until('a connection', () => this.#channel);
    await this.#configure();
  }

  #place(app: string): void {
    const fixture = join(fixtureApps, app);
    cpSync(fixture, this.path('apps', app), { recursive: true, force: false, errorOnExist: false });
  }

  #configure(): Promise<unknown> {
    const workers = this.workers.values().map(({ info }) => info);
    const settings = { tenant: 'acme' as TenantName, ...this.limits };
    return this.ask('configure', { settings, apps: this.#specs, workers: [...workers] });
  }

  ask<Name extends keyof HostRequests>(name: Name, params: HostRequests[Name]['params']): Promise<HostRequests[Name]['result']> {
    if (!this.#channel) throw new Error('the host is not connected');
    return this.#channel.request(name, params) as Promise<HostRequests[Name]['result']>;
  }

  /** The host is cut off; the sockets' names are free for the next daemon. */
  async goAway(): Promise<void> {
    this.#channel?.close();
    this.#channel = undefined;
    this.#server?.close();
    if (this.#server) await once(this.#server, 'close');
  }

  #serve(socket: Socket): void {
    const hear = (name: keyof typeof hostEvents) => (params: unknown) => {
      const checked = hostEvents[name].parse(params);
      if (name === 'worker-ready' && 'workerId' in checked) {
        const worker = this.workers.get(checked.workerId);
        if (worker) worker.info.ready = true;
      }
      this.events.push({ name, params: checked });
      this.#changes.emit('change');
    };
    const names = Object.keys(hostEvents) as (keyof typeof hostEvents)[];
    const channel = createChannel({
      stream: socket,
      handlers: {
        ...Object.fromEntries(names.map((name) => [name, hear(name)])),
        'start-worker': async (params) => {
          const info = this.#start(hostCalls['start-worker'].parse(params).app);
          if (this.answersLate) await this.until('its end', () => !this.workers.has(info.workerId));
          // In another piece of the stream than what was written meanwhile.
          await new Promise((resolve) => setImmediate(resolve));
          return info;
        },
        'stop-worker': (params) => this.#stop(hostCalls['stop-worker'].parse(params)),
        'unlist-worker': (params) => this.#note('unlist-worker', hostCalls['unlist-worker'].parse(params)),
        'schedule-ended': (params) => this.#note('schedule-ended', hostCalls['schedule-ended'].parse(params)),
      },
    });
    this.#channel = channel;
    void channel.closed.then(() => {
      if (this.#channel === channel) this.#channel = undefined;
      this.#changes.emit('change');
    });
    this.#changes.emit('change');
    if (this.#specs.length > 0) void this.#configure();
  }

  #start(app: AppName): WorkerInfo {
    const spec = this.#specs.find((one) => one.app === app);
    if (!spec || spec.desired === 'stopped') throw new Error(`${app} is not to run`);
    const living = this.workers.values().filter(({ info }) => info.app === app);
    if ([...living].length >= 2 * (spec.maxWorkers ?? spec.workers) + 2)
      throw new Error(`${app} has its full number of workers twice over`);
    this.#starts += 1;
    const workerId = `${app}.w${this.#starts}` as WorkerId;
    const socket = `${this.#starts}.sock`;
    const pipes = ['out', 'report'].map((kind) => this.path('pipes', `${workerId}.${kind}`));
    execFileSync('mkfifo', pipes);
    const [out = -1, report = -1] = pipes.map((path) => openSync(path, fsConstants.O_RDWR));
    const bound = bindSocket(this.path('sockets', socket));
    const settings = this.settings[app] ?? { kind: 'node', entry: 'server.js' };
    const child = spawn(process.execPath, [shim, JSON.stringify(settings)], {
      cwd: this.path('apps', app),
      env: { PATH: process.env['PATH'] ?? '', HOME: this.path('data'), PORT: '20000' },
      stdio: ['ignore', out, out, bound.fd(), report, 'pipe'],
    });
    // One that ends at once resets it.
    ((child.stdio as readonly unknown[])[5] as Socket).on('error', () => {}).end(encodeHandOver([]));
    [out, report].forEach(closeSync);
    const info = { workerId, app, generation: spec.generation, socket, startedAtMs: Date.now(), ready: false };
    this.workers.set(workerId, { info, child, bound });
    child.once('exit', (code, signal) => void this.#exited(workerId, code ?? 128 + (signal ? constants.signals[signal] : 0)));
    return info;
  }

  async #exited(workerId: WorkerId, exitCode: number): Promise<void> {
    this.workers.get(workerId)?.bound.close();
    this.workers.delete(workerId);
    this.#changes.emit('change');
    await this.#channel?.request('worker-exited', { workerId, exitCode, outOfMemory: false }).catch(() => undefined);
    for (const kind of ['out', 'report']) rmSync(this.path('pipes', `${workerId}.${kind}`), { force: true });
  }

  /** A hung one hears nothing else. */
  #stop(params: { workerId: WorkerId; reason: string; hung?: boolean | undefined }): null {
    this.workers.get(params.workerId)?.child.kill(params.hung ? 'SIGKILL' : 'SIGTERM');
    return this.#note('stop-worker', params);
  }

  #note(name: HostEvent['name'], params: Record<string, unknown>): null {
    this.events.push({ name, params });
    this.#changes.emit('change');
    return null;
  }

  tell<Name extends keyof HostNotifications>(name: Name, params: HostNotifications[Name]): void {
    this.#channel?.notify(name, params);
  }

  /** Waits for what `find` answers, looking again after everything that happens. */
  async until<T>(what: string, find: () => T | undefined | false): Promise<T> {
    const signal = AbortSignal.timeout(waitMs);
    for (;;) {
      const found = find();
      if (found !== undefined && found !== false) return found;
      await once(this.#changes, 'change', { signal }).catch(() => {
        throw new Error(`no ${what}: ${JSON.stringify(this.events)} ${this.printed}`);
      });
    }
  }

  /** The first event like this after `from` events. */
  event(name: HostEvent['name'], like: Record<string, unknown>, from = 0): Promise<HostEvent['params']> {
    return this.until(`${name} ${JSON.stringify(like)}`, () => {
      const found = this.events.slice(from).find((event) => event.name === name && matches(event.params, like));
      return found?.params;
    });
  }

  pid(workerId: WorkerId): number | undefined {
    return this.workers.get(workerId)?.child.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#specs = [];
    await this.killHost('SIGKILL');
    await this.goAway();
    for (const { child } of this.workers.values()) child.kill('SIGKILL');
    await this.until('end of the workers', () => this.workers.size === 0);
    this.#bound.close();
    rmSync(this.folder, { recursive: true });
  }
}

function matches(params: Record<string, unknown>, like: Record<string, unknown>): boolean {
  return Object.entries(like).every(([key, value]) => (value instanceof RegExp ? value.test(String(params[key])) : params[key] === value));
}

export async function startTenant(): Promise<TestDaemon> {
  const daemon = new TestDaemon();
  await daemon.listen();
  daemon.startHost();
  return daemon;
}
