import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { createPaths } from '../../../src/daemon/paths.ts';
import { openState } from '../../../src/daemon/state.ts';
import type { Store } from '../../../src/daemon/store.ts';
import { createRecordingLog } from './recording-log.ts';
import { temporaryFolder } from './temporary-folder.ts';

const writer = fileURLToPath(new URL('./writes-until-killed.ts', import.meta.url));
const kills = 10;

type Acknowledged =
  | { uid: number; tenant: TenantName }
  | { configOf: TenantName }
  | { domain: string }
  | { stopped: TenantName }
  | { asleep: TenantName; sinceMs: number }
  | { scaled: TenantName; workers: number }
  | { releaseOf: TenantName; id: string }
  | { appsOf: TenantName; generation: number }
  | { scheduleOf: TenantName; handledMs: number }
  | { sequence: number; hash: string };

test('everything that was acknowledged is there after ten kills at random moments', { timeout: 90_000 }, async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'reserve'), '');
  truncateSync(join(folder, 'reserve'), 4 << 20);
  const told: Acknowledged[] = [];
  const lost: unknown[] = [];
  for (let run = 0; run < kills; run++) {
    // Two of five answers is enough to be sure that it writes; the rest is chance.
    const killAfter = 2 + Math.floor(Math.random() * 80);
    told.push(...(await writeAndKill(folder, run, killAfter)));
    lost.push(...(await findLost(folder, told)).map((record) => ({ run, killAfter, record })));
  }
  expect(told.length).toBeGreaterThanOrEqual(2 * kills);
  expect(lost).toEqual([]);
  const uids = told.flatMap((record) => ('uid' in record ? [record.uid] : []));
  expect(new Set(uids).size).toBe(uids.length);
});

/** Kills it when it has told so many things: somewhere in its next writes. */
async function writeAndKill(folder: string, run: number, killAfter: number): Promise<Acknowledged[]> {
  const child = spawn(process.execPath, [writer, folder, String(run)], { stdio: ['ignore', 'pipe', 'inherit'], env: {} });
  const closed = once(child, 'close');
  const told: Acknowledged[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    told.push(JSON.parse(line) as Acknowledged);
    if (told.length === killAfter) child.kill('SIGKILL');
  }
  expect(await closed).toEqual([null, 'SIGKILL']);
  return told;
}

async function findLost(folder: string, told: readonly Acknowledged[]): Promise<Acknowledged[]> {
  const { state: files } = createPaths({ tenantsDir: folder, stateDir: folder, runDir: folder, logDir: folder });
  const state = openState({ files, uids: { first: 200_000, count: 60_000, isTaken: () => false }, log: createRecordingLog().log });
  const reader = new DatabaseSync(files.database, { readOnly: true });
  try {
    // A kill is nothing that an operator has to know of.
    expect(state.problems()).toEqual([]);
    expect(reader.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
    expect(state.store.verifyAudit()).toBe(true);
    const owners = state.store.domainOwners();
    const rows = reader.prepare('SELECT sequence, hash FROM audit').all();
    const hashes = new Map(rows.map((row) => [row['sequence'], row['hash']]));
    return told.filter((record) => !isThere(state.store, record, owners, hashes));
  } finally {
    reader.close();
    await state.close();
  }
}

function isThere(store: Store, record: Acknowledged, owners: ReadonlyMap<string, string>, hashes: ReadonlyMap<unknown, unknown>): boolean {
  const site = 'site' as AppName;
  if ('uid' in record) return store.uidOf(record.tenant, '') === record.uid;
  if ('configOf' in record) return store.configTextOf(record.configOf) === `domains: [${record.configOf}.example]`;
  if ('domain' in record) return `${owners.get(record.domain)}.example` === record.domain;
  if ('stopped' in record) return store.lifecycle.isStopped(record.stopped, site);
  if ('asleep' in record) return store.lifecycle.asleepSince(record.asleep, site) === record.sinceMs;
  if ('scaled' in record) return store.lifecycle.scaleOf(record.scaled, site) === record.workers;
  if ('releaseOf' in record) return store.releases.get(record.releaseOf, site, record.id) !== undefined;
  if ('appsOf' in record)
    return [site, 'shop' as AppName].every((app) => store.appOf(record.appsOf, app)?.generation === record.generation);
  if ('scheduleOf' in record) return store.schedules.of(record.scheduleOf)[0]?.handledMs === record.handledMs;
  return hashes.get(record.sequence) === record.hash;
}
