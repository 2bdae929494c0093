import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { openVault } from './opened-vault.ts';
import { temporaryFolder } from './temporary-folder.ts';

const rotator = fileURLToPath(new URL('./rotates-until-killed.ts', import.meta.url));
const [acme, globex, site] = ['acme', 'globex', 'site'] as [TenantName, TenantName, AppName];
const whole = [{ A: 'of all', B: 'of site' }, { A: 'of globex' }];

function prepare(): string {
  const folder = temporaryFolder();
  const { set, store } = openVault({ folder });
  set(acme, 'A', 'of all');
  set(acme, 'B', 'of site', site);
  set(globex, 'A', 'of globex');
  store.close();
  return folder;
}

/** As the next daemon finds it: everything opens, and one key of the machine is left. */
function expectWhole(folder: string): void {
  const { handed, store, vault } = openVault({ folder });
  expect([handed(acme, site), handed(globex, site)]).toEqual(whole);
  expect([vault.problems(acme), vault.problems(globex)]).toEqual([[], []]);
  expect(statSync(join(folder, 'machine.key')).size).toBe(32);
  store.close();
}

function rotate(folder: string, ...words: string[]): ChildProcessByStdio<null, Readable, null> {
  return spawn(process.execPath, [rotator, folder, ...words], { stdio: ['ignore', 'pipe', 'inherit'], env: {} });
}

/** Of the key of the machine: both keys into the file, the data keys into the store, one key into the file. */
test.each(['1 before', '1 after', '2 before', '2 after', '3 before', '3 after'])(
  'a kill at write %s, of a rotation of the key of the machine, loses nothing',
  async (point) => {
    const folder = prepare();
    const child = rotate(folder, 'machine-key', ...point.split(' '));
    expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);
    expectWhole(folder);
  },
);

test.each(['1 before', '1 after'])('a kill at write %s, of a rotation of a data key, loses nothing', async (point) => {
  const folder = prepare();
  const child = rotate(folder, 'data-key', ...point.split(' '));
  expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);
  expectWhole(folder);
});

test('twenty kills at random moments of rotations without end lose nothing', { timeout: 60_000 }, async () => {
  const folder = prepare();
  let rotations = 0;
  for (let run = 0; run < 20; run++) {
    const killAfter = 1 + Math.floor(Math.random() * 12);
    const child = rotate(folder);
    const closed = once(child, 'close');
    let told = 0;
    for await (const _ of createInterface({ input: child.stdout })) if (++told === killAfter) child.kill('SIGKILL');
    expect(await closed).toEqual([null, 'SIGKILL']);
    rotations += told;
    expectWhole(folder);
  }
  expect(rotations).toBeGreaterThan(20);
});
