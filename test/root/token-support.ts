import { execFile } from 'node:child_process';
import { chmodSync } from 'node:fs';
import net from 'node:net';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { TenantdError } from '../../src/base/errors.ts';
import { type Channel, createChannel } from '../../src/protocol/channel.ts';
import { authenticate, type TokenCreateResult, type TokenRole } from '../../src/protocol/token-calls.ts';
import { repositoryPath, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';

const run = promisify(execFile);

export const nobody = { uid: 65_534, gid: 65_534 };

/** Serves, has a schedule, and starts fast. */
export function smallTenant(tenant: string): TenantFiles {
  return {
    'tenant.yaml': `domains: [${tenant}.test]\n`,
    'apps/site/app.yaml': 'kind: node\nentry: server.js\ndrain: 1s\nschedule: [{ name: nightly, cron: "0 3 * * *", path: / }]\n',
    'apps/site/server.js': `require('node:http').createServer((_, response) => response.end('${tenant}')).listen(1);`,
  };
}

/** Others than root come as far as its sockets. */
export function openFolder(daemon: TestDaemon): void {
  chmodSync(daemon.directory, 0o711);
}

export async function makeToken(daemon: TestDaemon, role: TokenRole, tenant?: string, ...more: string[]): Promise<TokenCreateResult> {
  const whose = tenant === undefined ? [] : ['--tenant', tenant];
  const { stdout, stderr } = await daemon.ctl('token', 'create', '--role', role, ...whose, '--json', ...more);
  if (stderr !== '') throw new Error(stderr);
  return JSON.parse(stdout) as TokenCreateResult;
}

/** `tenantctl` as a user who is nobody, with a token or without. */
export async function ctlAs(
  daemon: TestDaemon,
  token: string | undefined,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const asNobody = ['--reuid', `${nobody.uid}`, '--regid', `${nobody.gid}`, '--clear-groups', '--'];
  const command = [process.execPath, repositoryPath('dist/tenantctl.js'), '--config', daemon.configFile, ...args];
  try {
    const env = { NO_COLOR: '1', ...(token !== undefined && { TENANTD_TOKEN: token }) };
    return { code: 0, ...(await run('setpriv', [...asNobody, ...command], { env, maxBuffer: 64 << 20 })) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

export async function connectStranger(daemon: TestDaemon): Promise<net.Socket> {
  const socket = net.connect(`${daemon.directory}/run/access/token.sock`);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** A connection that has shown its token. */
export async function connectWith(daemon: TestDaemon, token: string): Promise<Channel> {
  const { stream } = await createChannel({ stream: await connectStranger(daemon), handlers: {} }).upgrade(authenticate, { token });
  const channel = createChannel({ stream, handlers: {}, maxFrameBytes: 64 << 20 });
  stream.resume();
  return channel;
}

export interface Outcome {
  verdict: 'yes' | 'no' | 'propose';
  /** Of what was answered, to be searched. */
  text: string;
}

/** One call on a connection of its own; what it opens is closed again. */
export async function attempt(daemon: TestDaemon, token: string, call: string, params: object): Promise<Outcome> {
  const channel = await connectWith(daemon, token);
  try {
    const { result, stream } = await channel.upgrade(call, params, 60_000);
    stream.destroy();
    return { verdict: 'yes', text: JSON.stringify(result) };
  } catch (error) {
    if (!(error instanceof TenantdError)) throw error;
    const { code, message, fix } = error;
    const verdicts = { TENANTD_E_DENIED: 'no', TENANTD_E_PROPOSED: 'propose' } as const;
    if (code === 'TENANTD_E_UNKNOWN_METHOD' || code === 'TENANTD_E_INVALID_REQUEST') throw error;
    return { verdict: verdicts[code as keyof typeof verdicts] ?? 'yes', text: JSON.stringify({ code, message, fix }) };
  } finally {
    channel.close();
  }
}
