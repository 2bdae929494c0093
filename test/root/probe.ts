import { readdirSync, readFileSync, statSync } from 'node:fs';
import http from 'node:http';
import { repositoryPath, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';

/** The app of test/fixtures that looks, from inside its sandbox, for what it must not find. `drain` is short, so that stops are. */
export function probeApp(app: string, more: { env?: Record<string, string>; lines?: string } = {}): TenantFiles {
  const env = Object.entries(more.env ?? {}).map(([name, value]) => `  ${name}: ${value}\n`);
  const manifest = `kind: node\nentry: server.js\ndrain: 1s\nenv:\n  PROBE: "yes"\n${env.join('')}${more.lines ?? ''}`;
  return { [`apps/${app}`]: { copy: repositoryPath('test/fixtures/apps/probe') }, [`apps/${app}/app.yaml`]: manifest };
}

/** A tenant with one probe for each name, each under a path of its own. */
export function probeTenant(tenant: string, apps: readonly string[] = ['site'], yaml = ''): TenantFiles {
  const routes = (app: string): string => `routes: ["${tenant}.test/${app}"]\n`;
  return Object.assign(
    { 'tenant.yaml': `domains: [${tenant}.test]\n${yaml}` },
    ...apps.map((app) => probeApp(app, { lines: routes(app) })),
  );
}

export interface AskOptions {
  input?: unknown;
  timeoutMs?: number;
}

/** Has a probe run inside an app, through the app's own socket, which root alone and the edge can reach. */
export async function ask<Found = unknown>(daemon: TestDaemon, at: string, probe: string, options: AskOptions = {}): Promise<Found> {
  const [tenant = '', app = ''] = at.split('/');
  const body = JSON.stringify({ probe, input: options.input });
  const answer = await send(socketOf(daemon, tenant, app), body, options.timeoutMs ?? 20_000);
  const { found, error } = JSON.parse(answer) as { found?: Found; error?: string };
  if (error !== undefined) throw new Error(`${at}: ${probe}: ${error}`);
  return found as Found;
}

/** Of the worker that was started last. */
export function socketOf(daemon: TestDaemon, tenant: string, app: string): string {
  const folder = `${daemon.directory}/run/sockets/${tenant}`;
  const [newest] = readdirSync(folder)
    .filter((name) => name.startsWith(`${app}.`) && name.endsWith('.sock'))
    .map((name) => ({ path: `${folder}/${name}`, bornMs: statSync(`${folder}/${name}`).ctimeMs }))
    .sort((a, b) => b.bornMs - a.bornMs);
  if (!newest) throw new Error(`${tenant}/${app} has no socket`);
  return newest.path;
}

function send(socketPath: string, body: string, timeoutMs: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const request = http.request(
    { socketPath, method: 'POST', path: '/', agent: false, signal: AbortSignal.timeout(timeoutMs) },
    (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text));
      response.on('error', reject);
    },
  );
  request.on('error', reject);
  request.end(body);
  return promise;
}

/** The attempts of a probe, by what was tried, that ended otherwise than they should. */
export function otherThan(allowed: readonly string[], outcomes: Record<string, string>): [string, string][] {
  return Object.entries(outcomes).filter(([, outcome]) => !allowed.includes(outcome));
}

/** What the kernel says of a process of this machine. */
export function processFacts(pid: number) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): string => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1]?.trim() ?? 'missing';
  return {
    uids: field('Uid').split('\t').map(Number),
    groups: field('Groups'),
    noNewPrivileges: field('NoNewPrivs'),
    capabilities: ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map((name) => BigInt(`0x${field(name)}`).toString()),
    parent: Number(field('PPid')),
  };
}

/** Of the one worker of an app. */
export async function pidOf(daemon: TestDaemon, at: string): Promise<number> {
  const [tenant = '', app = ''] = at.split('/');
  const { workers } = await daemon.app(tenant, app);
  return workers.at(-1)?.pid ?? 0;
}
