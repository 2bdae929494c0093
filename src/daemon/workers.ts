import { closeSync, constants, existsSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { messageOf } from '../base/errors.ts';
import type { AppName, TenantName, WorkerId } from '../base/ids.ts';
import { setOwner } from '../privileged/directories.ts';
import type { SandboxSpec } from '../privileged/sandbox-arguments.ts';
import type { WorkerInfo } from '../protocol/host.ts';
import type { WorkerSettings } from '../protocol/worker.ts';
import type { WorkerSize } from './app-order.ts';
import { type Machine, programCommand } from './machine.ts';
import type { Sandbox, SandboxExit } from './sandbox-registry.ts';
import type { Twin } from './twin.ts';

/** All that a worker is started from: checked and clamped before. */
export interface WorkerOrder {
  app: AppName;
  generation: number;
  drainMs: number;
  settings: WorkerSettings;
  nodeOptions: readonly string[];
  size: WorkerSize;
  /** Its sandbox, but for what makes it this worker's. */
  twin: Twin;
  /** Its secrets. */
  handOver: Buffer;
}

export interface Worker {
  id: WorkerId;
  app: AppName;
  generation: number;
  /** How long it may take to finish, at the edge and after SIGTERM: of the manifest it was started from. */
  drainMs: number;
  socket: string;
  startedAtMs: number;
  ready: boolean;
  draining: boolean;
  /** It gets no new requests, and is not to end yet. */
  unlisted: boolean;
  /** The port that a command listens on, in the tenant's network; 0 for other kinds. */
  port: number;
  /** Undefined: started by a daemon that did not write it down. */
  size: WorkerSize | undefined;
  sandbox: Sandbox;
  /** Settles when nothing of it is left and it is no longer in `all()`. */
  gone: Promise<void>;
}

export const workerRole = z.strictObject({
  role: z.literal('worker'),
  tenant: z.string(),
  app: z.string(),
  workerId: z.string(),
  generation: z.number(),
  drainMs: z.number(),
  socket: z.string(),
  port: z.number(),
  ready: z.boolean(),
  size: z.strictObject({ heapMegabytes: z.number(), tmpBytes: z.number() }).exactOptional(),
  /** It was asked to end, and may hear nobody any more. */
  ending: z.literal(true).exactOptional(),
});

/**
 * The workers of one tenant that live now.
 *
 * Invariants:
 * - A worker is in `all()` from before its process starts until nothing of it is left: sandbox, socket, pipes.
 * - Its pipes stay open here until its end was told, so that the host can read the last words of one that died at once.
 */
export interface Workers {
  all(): Worker[];
  get(id: WorkerId): Worker | undefined;
  start(order: WorkerOrder): Promise<Worker>;
  adopt(sandbox: Sandbox): Worker;
  markReady(worker: Worker): void;
  /** The next daemon gives it no requests either, and ends it: it is `unlisted` there. */
  markEnding(worker: Worker): void;
  /** Removes sockets and pipes of what ended while no daemon ran; called once all that lives was adopted. */
  clearLeft(staticSocket: string): void;
}

export interface WorkersOptions {
  machine: Machine;
  tenant: TenantName;
  /** Reads what workers print and connects to them for health checks. */
  hostUser: () => { uid: number; gid: number };
  /** Awaited before the worker's pipes and socket are removed. */
  onExit: (worker: Worker, exit: SandboxExit) => Promise<void>;
  /** It is no longer in `all()`. */
  onGone: () => void;
}

/** Ports for commands, in a tenant's own network. */
const firstPort = 20_000;

export function createWorkers({ machine, tenant, hostUser, onExit, onGone }: WorkersOptions): Workers {
  const { paths, registry } = machine;
  const workers = new Map<WorkerId, Worker>();
  const portsInUse = new Set<number>();

  function takePort(): number {
    let port = firstPort;
    while (portsInUse.has(port)) port += 1;
    portsInUse.add(port);
    return port;
  }

  async function takePipe(pipe: string): Promise<void> {
    for (;;) {
      const spare = await machine.spares.pipes.take();
      try {
        return renameSync(spare, pipe);
      } catch (error) {
        // Somebody emptied the run directory. The last one is made when it is taken.
        if (existsSync(spare) || !existsSync(dirname(pipe))) throw error;
      }
    }
  }

  async function makePipes(id: WorkerId, uid: number): Promise<{ output: number; report: number }> {
    const [outputPipe, reportPipe] = [paths.outputPipeOf(tenant, id), paths.reportPipeOf(tenant, id)];
    for (const pipe of [outputPipe, reportPipe]) await takePipe(pipe);
    // The app may open them to write (/dev/stdout), but not own them: it could close them to its host, which would stumble.
    for (const pipe of [outputPipe, reportPipe]) setOwner(pipe, { uid: hostUser().uid, gid: uid, mode: 0o620 });
    // Read-write: then neither side needs the other to be there, and a worker outlives its host without SIGPIPE.
    return { output: openSync(outputPipe, constants.O_RDWR), report: openSync(reportPipe, constants.O_RDWR) };
  }

  function removeNames(worker: Pick<Worker, 'id' | 'socket'>): void {
    const names = [paths.socketOf(tenant, worker.socket), paths.outputPipeOf(tenant, worker.id), paths.reportPipeOf(tenant, worker.id)];
    for (const name of names) rmSync(name, { force: true });
  }

  function track(worker: Omit<Worker, 'gone'>, descriptors: number[]): Worker {
    const tracked: Worker = Object.assign(worker, { gone: worker.sandbox.exited.then(forget) });
    workers.set(worker.id, tracked);
    portsInUse.add(worker.port);
    return tracked;

    async function forget(exit: SandboxExit): Promise<void> {
      try {
        await onExit(tracked, exit);
      } finally {
        workers.delete(worker.id);
        portsInUse.delete(worker.port);
        for (const descriptor of descriptors) closeSync(descriptor);
        removeNames(worker);
        onGone();
      }
    }
  }

  function specOf(id: WorkerId, order: WorkerOrder, port: number): SandboxSpec {
    const { spec } = order.twin;
    return {
      ...spec,
      id: `w.${tenant}.${id}`,
      env: { ...spec.env, ...(port > 0 && { PORT: String(port) }) },
      command: programCommand('worker', order.settings, order.nodeOptions),
    };
  }

  /** For the next daemon. Where that can't be written, it finds out by itself. */
  function remember({ id, sandbox }: Worker, change: { ready?: true; ending?: true }): void {
    try {
      sandbox.record({ ...workerRole.parse(sandbox.role), ...change });
    } catch (error) {
      machine.log.warn({ tenant, worker: id, error: messageOf(error) }, 'what becomes of a worker could not be written down');
    }
  }

  async function start(order: WorkerOrder): Promise<Worker> {
    const id = `${order.app}.${randomSuffix()}` as WorkerId;
    const socket = `${id}.sock`;
    const port = order.settings.kind === 'command' ? takePort() : 0;
    const ownSocket = { path: paths.socketOf(tenant, socket), uid: hostUser().uid, gid: machine.edgeUser.gid, mode: 0o660 };
    const role = {
      role: 'worker',
      tenant,
      app: order.app,
      workerId: id,
      generation: order.generation,
      drainMs: order.drainMs,
      ...{ socket, port, size: order.size, ready: false },
    };
    try {
      const { output, report } = await makePipes(id, order.twin.spec.uid);
      const sandbox = await registry
        .start(
          specOf(id, order, port),
          {
            ...order.twin.launch,
            // Before the host, when the tenant's memory is full.
            outOfMemoryScore: 500,
            output,
            ownSocket,
            inherit: [report],
            handOver: order.handOver,
            group: { tenant: order.twin.group, member: `w.${id}` },
          },
          role,
        )
        .catch((error: unknown) => {
          closeSync(output);
          closeSync(report);
          throw error;
        });
      const worker = {
        id,
        app: order.app,
        generation: order.generation,
        drainMs: order.drainMs,
        socket,
        startedAtMs: Date.now(),
        ready: false,
        draining: false,
        unlisted: false,
        port,
        size: order.size,
        sandbox,
      };
      return track(worker, [output, report]);
    } catch (error) {
      removeNames({ id, socket });
      portsInUse.delete(port);
      throw error;
    }
  }

  return {
    all: () => [...workers.values()],
    get: (id) => workers.get(id),
    start,
    adopt(sandbox) {
      const { app, workerId, generation, drainMs, socket, port, size, ready, ending = false } = workerRole.parse(sandbox.role);
      const id = workerId as WorkerId;
      const worker = {
        id,
        app: app as AppName,
        generation,
        drainMs,
        socket,
        startedAtMs: sandbox.startedAtMs,
        ready,
        draining: false,
        unlisted: ending,
        port,
        size,
        sandbox,
      };
      return track(worker, []);
    },
    clearLeft(staticSocket) {
      const kept = new Set([staticSocket, ...[...workers.values()].flatMap(({ id, socket }) => [socket, `${id}.out`, `${id}.report`])]);
      for (const directory of [paths.socketsDirOf(tenant), paths.pipesDirOf(tenant)].filter((path) => existsSync(path))) {
        const left = readdirSync(directory).filter((file) => !kept.has(file));
        for (const file of left) rmSync(`${directory}/${file}`);
      }
    },
    markReady(worker) {
      worker.ready = true;
      remember(worker, { ready: true });
    },
    markEnding(worker) {
      remember(worker, { ending: true });
    },
  };
}

export function toWorkerInfo({ id, app, generation, socket, startedAtMs, ready }: Worker): WorkerInfo {
  return { workerId: id, app, generation, socket, startedAtMs, ready };
}

/** Six characters of 36: enough that no id comes again while its files could still be there. */
function randomSuffix(): string {
  return (randomBytes(4).readUInt32LE() % 36 ** 6).toString(36).padStart(6, '0');
}
