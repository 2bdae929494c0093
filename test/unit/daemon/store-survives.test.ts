import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { openStore } from '../../../src/daemon/store.ts';
import { temporaryFolder } from './temporary-folder.ts';

const writer = fileURLToPath(new URL('./writes-until-killed.ts', import.meta.url));
const kills = 10;

type Acknowledged =
  | { uid: number; tenant: TenantName }
  | { configOf: TenantName }
  | { domain: string }
  | { stopped: TenantName }
  | { sequence: number; hash: string };

test('everything that was acknowledged is there after ten kills at random moments', { timeout: 30_000 }, async () => {
  const file = join(temporaryFolder(), 'state.db');
  const told: Acknowledged[] = [];
  const lost: unknown[] = [];
  for (let run = 0; run < kills; run++) {
    // Two of five answers is enough to be sure that it writes; the rest is chance.
    const killAfter = 2 + Math.floor(Math.random() * 40);
    told.push(...(await writeAndKill(file, run, killAfter)));
    lost.push(...findLost(file, told).map((record) => ({ run, killAfter, record })));
  }
  expect(told.length).toBeGreaterThanOrEqual(2 * kills);
  expect(lost).toEqual([]);
  const uids = told.flatMap((record) => ('uid' in record ? [record.uid] : []));
  expect(new Set(uids).size).toBe(uids.length);
});

/** Kills it when it has told so many things: somewhere in its next writes. */
async function writeAndKill(file: string, run: number, killAfter: number): Promise<Acknowledged[]> {
  const child = spawn(process.execPath, [writer, file, String(run)], { stdio: ['ignore', 'pipe', 'inherit'], env: {} });
  const closed = once(child, 'close');
  const told: Acknowledged[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    told.push(JSON.parse(line) as Acknowledged);
    if (told.length === killAfter) child.kill('SIGKILL');
  }
  expect(await closed).toEqual([null, 'SIGKILL']);
  return told;
}

function findLost(file: string, told: readonly Acknowledged[]): Acknowledged[] {
  const store = openStore(file, { first: 200_000, count: 60_000, isTaken: () => false });
  const reader = new DatabaseSync(file, { readOnly: true });
  try {
    expect(reader.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
    expect(store.verifyAudit()).toBe(true);
    const owners = store.domainOwners();
    const hashes = new Map(
      reader
        .prepare('SELECT sequence, hash FROM audit')
        .all()
        .map((row) => [row['sequence'], row['hash']]),
    );
    const isThere = (record: Acknowledged): boolean => {
      if ('uid' in record) return store.uidOf(record.tenant, '') === record.uid;
      if ('configOf' in record) return store.configTextOf(record.configOf) === `domains: [${record.configOf}.example]`;
      if ('domain' in record) return `${owners.get(record.domain)}.example` === record.domain;
      if ('stopped' in record) return store.isStopped(record.stopped, 'site' as AppName);
      return hashes.get(record.sequence) === record.hash;
    };
    return told.filter((record) => !isThere(record));
  } finally {
    reader.close();
    store.close();
  }
}
