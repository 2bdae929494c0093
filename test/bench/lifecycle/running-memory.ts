import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from '../../support/client.ts';
import { type SystemProcess, systemProcesses } from '../../support/system-processes.ts';
import { startTestDaemon } from '../../support/test-daemon.ts';
import { pssOf } from '../isolation/process-memory.ts';
import { type BareApp, startBareApp } from './bare-app.ts';
import { sampleApps, type SampleAppName, writeSampleApp } from './sample-apps.ts';

/** PSS by copy, in bytes: of the bare process, of a tenant's host and its sandbox, and of its worker and its sandbox. */
export interface RunningMemory {
  bare: number;
  host: number;
  worker: number;
}

/** As many copies of each at once: what copies share is shared alike. */
export async function measureRunningMemory(name: SampleAppName, copies: number): Promise<RunningMemory> {
  const parent = mkdtempSync(join(tmpdir(), 'tenantd-bench-'));
  // Everybody may read it, as what a tenant's operator puts there.
  const folder = join(parent, 'app');
  try {
    writeSampleApp(sampleApps[name], folder);
    return { bare: await measureBare(name, folder, copies), ...(await measureTenants(name, folder, copies)) };
  } finally {
    rmSync(parent, { recursive: true });
  }
}

async function measureBare(name: SampleAppName, folder: string, copies: number): Promise<number> {
  const apps: BareApp[] = [];
  try {
    for (let count = 0; count < copies; count++) apps.push(await startBareApp(sampleApps[name], folder));
    return pssOf(apps.map(({ pid }) => pid)) / copies;
  } finally {
    await Promise.all(apps.map((app) => app.stop()));
  }
}

async function measureTenants(name: SampleAppName, folder: string, copies: number): Promise<Omit<RunningMemory, 'bare'>> {
  const tenants = Array.from({ length: copies }, (_, index) => `copy${index}`);
  const files = { 'apps/site': { copy: folder }, 'apps/site/app.yaml': sampleApps[name].appYaml };
  await using daemon = await startTestDaemon({
    tenants: Object.fromEntries(tenants.map((tenant) => [tenant, { 'tenant.yaml': `domains: [${tenant}.test]\nidle: never\n`, ...files }])),
  });
  await daemon.untilApps(tenants.map((tenant) => `${tenant}/site`));
  for (const tenant of tenants) await request(daemon.port, { host: `${tenant}.test` });
  const processes = systemProcesses(daemon);
  const sum = (role: SystemProcess['role']): number => pssOf(processes.filter((process) => process.role === role).map(({ pid }) => pid));
  return { host: sum('host') / copies, worker: sum('worker') / copies };
}
