import { mkdtempSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { version } from '../base/version.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import type { DoctorResult, MachineCheck } from '../protocol/verify.ts';
import { isolationInspections } from './isolation.ts';
import { kernelInspections } from './kernel.ts';
import { networkInspections } from './network.ts';
import { nearestDirectory, roomInspections } from './room.ts';
import { systemInspections } from './system.ts';
import { inspect } from './verdicts.ts';

const inspections = [...systemInspections, ...kernelInspections, ...isolationInspections, ...networkInspections, ...roomInspections];

/** Looks at this machine, and tries what is safe to try: in namespaces, groups and folders of its own, which it removes. */
export async function examine(config: DaemonConfig, isRoot: boolean): Promise<DoctorResult> {
  // Where programs can be run, and disk images lie later; /tmp may allow neither.
  const directory = mkdtempSync(join(isRoot ? nearestDirectory(config.stateDir) : tmpdir(), 'tenantd-doctor-'));
  const checks: MachineCheck[] = [];
  try {
    for (const inspection of inspections) checks.push(await inspect(inspection, { isRoot, config, directory }));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  const ok = !checks.some(({ verdict }) => verdict === 'missing');
  return { ok, checks, time: new Date().toISOString(), version, host: hostname() };
}
