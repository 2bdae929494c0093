import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Channel, createChannel, type Handler } from '../../../src/protocol/channel.ts';
import type { EdgeSettings } from '../../../src/protocol/edge.ts';
import { until } from '../../support/until.ts';

const main = new URL('../../../src/edge/main.ts', import.meta.url).pathname;

export interface MasterUnderTest {
  process: ChildProcess;
  port: number;
  /** What a daemon says and hears; one at a time. */
  startDaemon: (handlers?: Record<string, Handler>) => Promise<FakeDaemon>;
  /** The one that is to take its place, over the same listening socket. */
  startNext: () => MasterUnderTest;
  app: (file: string, listener: RequestListener, onUpgrade?: (socket: Duplex) => void) => Promise<void>;
  /** The folder in which the gateway of `tenant/app` is to be. */
  makeGateway: (caller: string) => void;
  gateway: (caller: string) => string;
  edgePids: () => number[];
  exited: Promise<unknown>;
}

export interface FakeDaemon {
  channel: Channel;
  heard: { method: string; params: unknown }[];
  stop: () => void;
}

/** What a master and the one that takes its place have in common. */
interface MasterGround {
  folder: string;
  bound: net.BoundSocket;
}

/** A real master, with real edges, over a listening socket on a free port. */
export async function startMaster(processes = 1): Promise<MasterUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-master-'));
  mkdirSync(join(folder, 'acme'));
  const bound = new net.BoundSocket({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => {
    bound.close();
    rmSync(folder, { recursive: true });
  });
  return startMasterOn({ folder, bound }, processes, 'control.sock');
}

function startMasterOn(ground: MasterGround, processes: number, socketName: string): MasterUnderTest {
  const { folder, bound } = ground;
  const controlSocket = join(folder, socketName);
  const settings: EdgeSettings = {
    httpsListeners: 0,
    trustedProxies: [],
    proxyProtocol: false,
    httpListeners: 1,
    processes,
    controlSocket,
    socketsDir: folder,
    gatewaysDir: `${folder}/gateways`,
    ...(socketName !== 'control.sock' && { standby: true }),
  };
  const child = spawn(process.execPath, [main, JSON.stringify(settings)], { stdio: ['ignore', 'inherit', 'ignore', bound.fd()] });
  const exited = once(child, 'exit');
  const pids = new Set<number>();
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
    await until(() => [...pids].every((pid) => !isAlive(pid)), 'every edge ends after its master');
  });
  return {
    process: child,
    port: bound.address().port,
    exited,
    startDaemon: (handlers) => startDaemon(controlSocket, handlers),
    startNext: () => startMasterOn(ground, processes, 'next.sock'),
    makeGateway: (caller) => mkdirSync(`${folder}/gateways/${caller}`, { recursive: true }),
    gateway: (caller) => `${folder}/gateways/${caller}/http.sock`,
    async app(file, listener, onUpgrade) {
      const server = createHttpServer(listener);
      if (onUpgrade) server.on('upgrade', (_, socket) => onUpgrade(socket));
      server.listen(join(folder, 'acme', file));
      await once(server, 'listening');
      onTestFinished(() => {
        server.close();
        server.closeAllConnections();
      });
    },
    edgePids: () => {
      const living = childrenOf(child.pid ?? 0);
      for (const pid of living) pids.add(pid);
      return living;
    },
  };
}

async function startDaemon(path: string, handlers: Record<string, Handler> = {}): Promise<FakeDaemon> {
  rmSync(path, { force: true });
  const server = net.createServer();
  server.listen(path);
  onTestFinished(() => void server.close());
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  const heard: FakeDaemon['heard'] = [];
  const note = (method: string) => (params: unknown) => void heard.push({ method, params });
  const channel = createChannel({
    stream: socket,
    handlers: {
      ...Object.fromEntries(['hello', 'log', 'grant-use', 'wake-app', 'app-use', 'usage'].map((method) => [method, note(method)])),
      ...handlers,
    },
  });
  return {
    channel,
    heard,
    stop: () => {
      server.close();
      channel.close();
    },
  };
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // ESRCH: it is gone.
    return false;
  }
}
