import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { run } from './commands.ts';
import type { Site } from './visitors.ts';

const server = `const start = Date.now();
require('node:http').createServer((request, response) => response.end('shop of acme')).listen(3000);`;

const files: Record<string, string> = {
  // Served at port 80 as at 443: no redirect.
  'acme/tenant.yaml': 'domains: [acme.test]\nplan: business\ntls: { redirect: false }\nlimits: { requestsPerSecond: 0 }\n',
  'acme/apps/shop/server.js': server,
  'acme/apps/shop/package.json': '{ "main": "server.js" }',
  'acme/apps/shop/app.yaml': 'idle: never\n',
  'globex/tenant.yaml': 'domains: [globex.test]\nplan: business\ntls: { redirect: false }\nlimits: { requestsPerSecond: 0 }\n',
  'globex/apps/site/public/index.html': 'site of globex',
  'globex/apps/site/app.yaml': 'idle: never\n',
  // Nobody visits it but once: then it sleeps.
  'hooli/tenant.yaml': 'domains: [hooli.test]\nplan: business\ntls: { redirect: false }\n',
  'hooli/apps/web/server.js': server.replace('shop of acme', 'web of hooli'),
  'hooli/apps/web/package.json': '{ "main": "server.js" }',
  'hooli/apps/web/app.yaml': 'idle: 2s\n',
};

export const shop: Site = { host: 'acme.test', secure: false, expected: 'shop of acme' };
export const site: Site = { host: 'globex.test', secure: true, expected: 'site of globex' };
export const sleeper: Site = { host: 'hooli.test', secure: false, expected: 'web of hooli' };
export const busySites = [shop, site];

export function writeTenants(): void {
  for (const [path, text] of Object.entries(files)) {
    const file = `/srv/tenantd/tenants/${path}`;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

interface Status {
  pid: number;
  edge: { processes: { pid: number }[] };
  certs: { pid: number };
  tenants: { name: string; state: string; hostPid: number; apps: { state: string; workers: { pid: number }[] }[] }[];
}

export async function status(): Promise<Status> {
  return JSON.parse(await run('tenantctl', '--json', 'status')) as Status;
}

export interface Processes {
  daemon: number;
  edges: number[];
  /** Hosts and workers, and the process for certificates. */
  others: number[];
}

export async function processes(): Promise<Processes> {
  const { pid, edge, certs, tenants } = await status();
  const awake = tenants.filter(({ name }) => name !== 'hooli');
  const ofTenants = awake.flatMap(({ hostPid, apps }) => [hostPid, ...apps.flatMap(({ workers }) => workers.map((worker) => worker.pid))]);
  return { daemon: pid, edges: edge.processes.map((process) => process.pid), others: [certs.pid, ...ofTenants] };
}

/** `acme: running`, one a tenant. */
export async function states(): Promise<string> {
  return (await status()).tenants.map(({ name, state }) => `${name} ${state}`).join(', ');
}
