import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { copyBubblewrap, findPrograms } from '../../src/privileged/programs.ts';
import { createLauncher } from '../../src/privileged/sandboxes.ts';

const uid = 65_000;

function openLauncher() {
  const folder = mkdtempSync(join(tmpdir(), 'tenantd-launcher-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of ['sandboxes', 'etc', 'scratch']) mkdirSync(join(folder, name));
  const programs = findPrograms();
  return createLauncher({
    programs,
    bubblewrap: copyBubblewrap(programs, folder),
    directory: `${folder}/sandboxes`,
    etcDirectory: `${folder}/etc`,
    scratchDirectory: `${folder}/scratch`,
  });
}

const options = { network: 'empty', controlGroupFiles: [], outOfMemoryScore: 0, output: 'ignore', inherit: [] } as const;
const spec = { uid, gid: uid, hostname: 'probe', env: {}, binds: [], tmpBytes: 1 << 20, tmpInodes: 100, workingDirectory: '/' };

test('a command that ends before anyone looks at it was launched all the same, and its exit code is told', async () => {
  const launcher = openLauncher();
  const ids = Array.from({ length: 20 }, (_, index) => `quick.${index}`);
  const launches = ids.map((id) => launcher.launch({ ...spec, id, command: ['/bin/sh', '-c', 'exit 7'] }, options));
  // Nobody looks until all of them have ended.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
  for (const launch of launches) await (await launch).monitorExited;
  expect(ids.map((id) => launcher.exitCodeOf(id))).toEqual(ids.map(() => 7));
});

test('a sandbox that can not be made says why in the words of what failed', async () => {
  const launcher = openLauncher();
  const binds = [{ source: '/nowhere-at-all', target: '/data', access: 'read' as const }];
  await expect(launcher.launch({ ...spec, binds, id: 'broken', command: ['/bin/true'] }, options)).rejects.toMatchObject({
    code: 'TENANTD_E_SANDBOX',
    message: expect.stringContaining('/nowhere-at-all'),
  });
});
