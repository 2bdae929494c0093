import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkerReport } from '../protocol/worker.ts';
import { awaitOwnListener } from './await-port.ts';
import { type Bridge, createBridge } from './bridge.ts';
import { awaitDeaf } from './listener-watch.ts';
import { findPortHolder } from './port-guard.ts';

export interface CommandSite {
  command: readonly string[];
  /** The bound Unix socket that the edge connects to. */
  fd: number;
  port: number;
  uid: number;
  report: (report: WorkerReport) => void;
}

export interface CommandApp {
  signal: (signal: NodeJS.Signals) => void;
  /** The code to exit with, when the command has ended and what it wrote last was passed on. */
  exited: Promise<number>;
}

/** How long its last answers may take to pass through once the command is gone. */
const lastBytesMs = 1_000;
/** Another app can only take the port of a command that gave it up: a look once a second finds that. */
const recheckMs = 1_000;

export function runCommand(site: CommandSite): CommandApp {
  const [program = '', ...args] = site.command;
  const child = spawn(program, args, { stdio: 'inherit' });
  const exited = awaitExit(child, program);
  const bridged = openBridge(site);
  return {
    signal: (signal) => void child.kill(signal),
    exited: exited.then(async (code) => {
      const bridge = await Promise.race([bridged, Promise.resolve()]);
      await Promise.race([bridge?.close(), delay(lastBytesMs)]);
      return code;
    }),
  };
}

function awaitExit(child: ChildProcess, program: string): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  child.once('error', (error) => {
    console.error(`${program} can not be started: ${error.message}`);
    resolve(127); // As a shell does for a command that it can not find.
  });
  return promise;
}

async function openBridge(site: CommandSite): Promise<Bridge> {
  const { port, uid, report } = site;
  const host = await awaitOwnListener(port, uid, () => report({ event: 'note', message: `another app listens on port ${port}` }));
  void awaitDeaf(port, uid).then(() => report({ event: 'deaf', message: `does not listen on port ${port} any more, and runs on` }));
  let target: { host: string; port: number } | undefined = { host, port };
  let checkedAtMs = performance.now();

  async function findTarget(): Promise<typeof target> {
    if (performance.now() - checkedAtMs < recheckMs) return target;
    checkedAtMs = performance.now();
    const holder = await findPortHolder(port, uid);
    target = holder.held === 'by-us' ? { host: holder.host, port } : undefined;
    return target;
  }

  return createBridge(site.fd, findTarget, () => report({ event: 'listening' }));
}
