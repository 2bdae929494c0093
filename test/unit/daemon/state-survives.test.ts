import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { createPaths } from '../../../src/daemon/paths.ts';
import { openState, type State } from '../../../src/daemon/state.ts';
import { createRecordingLog } from './recording-log.ts';
import { temporaryFolder } from './temporary-folder.ts';

const opener = fileURLToPath(new URL('./opens-until-killed.ts', import.meta.url));
const names = ['acme', 'globex', 'initech'] as TenantName[];

function open(folder: string): State {
  const { state: files } = createPaths({ tenantsDir: folder, stateDir: folder, runDir: folder, logDir: folder });
  return openState({ files, uids: { first: 200_000, count: 1_000, isTaken: () => false }, log: createRecordingLog().log });
}

async function prepare(folder: string): Promise<void> {
  writeFileSync(join(folder, 'reserve'), '');
  truncateSync(join(folder, 'reserve'), 4 << 20);
  const state = open(folder);
  for (const name of names) state.store.uidOf(name, '');
  state.store.setConfigTexts(names.map((name) => [name, `domains: [${name}.example]`]));
  await state.close();
}

/** True when it was killed, false when it came to its end before. */
async function openAndKill(folder: string, killAt: number): Promise<boolean> {
  const child = spawn(process.execPath, [opener, folder, String(killAt)], { stdio: ['ignore', 'ignore', 'inherit'], env: {} });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect(signal === 'SIGKILL' || code === 0).toBe(true);
  return signal === 'SIGKILL';
}

/** Kills it before its first change to a file, then before its second, and so on, each over the same files. */
async function killEverywhere(prepared: string, look: (folder: string, killAt: number) => Promise<void>): Promise<number> {
  const folder = join(temporaryFolder({ inMemory: true }), 'state');
  for (let killAt = 1; ; killAt++) {
    cpSync(prepared, folder, { recursive: true });
    if (!(await openAndKill(folder, killAt))) return killAt - 1;
    await look(folder, killAt);
    rmSync(folder, { recursive: true });
  }
}

test(
  'a kill before any change to a file while a damaged store is replaced loses nothing that the copy had',
  { timeout: 120_000 },
  async () => {
    const prepared = temporaryFolder({ inMemory: true });
    await prepare(prepared);
    truncateSync(join(prepared, 'state.db'), 5_000);
    const kills = await killEverywhere(prepared, async (folder, killAt) => {
      const state = open(folder);
      expect([killAt, state.store.tenantsWithConfig(), names.map((name) => state.store.uidOf(name, ''))]).toEqual([
        killAt,
        names,
        [200_000, 200_001, 200_002],
      ]);
      expect(state.problems().map(({ code }) => code)).toEqual(['TENANTD_E_STATE_RESTORED']);
      expect(readdirSync(folder).filter((name) => /^state\.db\.damaged-.*Z$/.test(name))).toHaveLength(1);
      await state.close();
    });
    expect(kills).toBeGreaterThan(15);
  },
);

test('a kill before any change to a file of an orderly start and end is nothing to tell', { timeout: 120_000 }, async () => {
  const prepared = temporaryFolder({ inMemory: true });
  await prepare(prepared);
  const kills = await killEverywhere(prepared, async (folder, killAt) => {
    const state = open(folder);
    expect([killAt, state.problems(), state.store.tenantsWithConfig()]).toEqual([killAt, [], names]);
    await state.close();
    expect(readdirSync(folder).filter((name) => name.startsWith('state.db.copy'))).toEqual(['state.db.copy']);
  });
  expect(kills).toBeGreaterThan(10);
});
