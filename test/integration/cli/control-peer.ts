import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Channel, createChannel } from '../../../src/protocol/channel.ts';
import { operatorSocket } from '../../../src/protocol/control.ts';

/** A request's params, and the connection it came over. */
type PeerHandler = (params: unknown, channel: Channel) => unknown;

export interface ControlPeer {
  configFile: string;
  /** Each request that came, in order. */
  calls: { method: string; params: unknown }[];
  /** Resolves when the first client is gone. */
  clientGone: Promise<void>;
}

/** The daemon's end of the control socket: answers with what a test says. */
export async function startControlPeer(handlers: Record<string, PeerHandler>, runDirName = 'run'): Promise<ControlPeer> {
  const dir = temporaryFolder();
  const { configFile, runDir } = writeConfiguration(dir, runDirName);
  const calls: ControlPeer['calls'] = [];
  const { promise: clientGone, resolve: settleClientGone } = Promise.withResolvers<void>();
  const server = createServer((stream) => {
    const channel: Channel = createChannel({ stream, handlers: wrap(handlers, calls, () => channel) });
    void channel.closed.then(settleClientGone);
  });
  // A path over 107 bytes is bound by another name of its directory.
  mkdirSync(join(runDir, 'control'), { recursive: true });
  const cwd = process.cwd();
  process.chdir(runDir);
  server.listen(operatorSocket);
  process.chdir(cwd);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { configFile, calls, clientGone };
}

function wrap(handlers: Record<string, PeerHandler>, calls: ControlPeer['calls'], channel: () => Channel) {
  return Object.fromEntries(
    Object.entries(handlers).map(([method, handler]) => [
      method,
      (params: unknown) => {
        calls.push({ method, params });
        return handler(params, channel());
      },
    ]),
  );
}

export function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'tenantctl-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export function writeConfiguration(dir: string, runDirName = 'run'): { configFile: string; runDir: string } {
  const runDir = join(dir, runDirName);
  const configFile = join(dir, 'tenantd.yaml');
  mkdirSync(join(dir, 'tenants'));
  writeFileSync(configFile, `tenantsDir: ${dir}/tenants\nstateDir: ${dir}/state\nrunDir: ${runDir}\nlogDir: ${dir}/logs\n`);
  return { configFile, runDir };
}
