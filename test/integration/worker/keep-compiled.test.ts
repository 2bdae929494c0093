import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { tidyCompiled } from '../../../src/worker/tidy-compiled.ts';
import { launchWorker } from './launched-worker.ts';

const node = { kind: 'node', entry: 'server.js' } as const;

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tenantd-compiled-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Started, asked once, and ended as for sleep. */
async function useOnce(home: string, env: Record<string, string> = {}): Promise<string> {
  await using worker = launchWorker('answers', node, { HOME: home, TENANTD_RELEASE: 'r1', ...env });
  await worker.listening();
  expect((await worker.ask('/')).status).toBe(200);
  worker.child.kill('SIGTERM');
  await worker.exited;
  return worker.printed();
}

test("what V8 made of an app's modules is kept in its home when it ends, and read at its next start", async () => {
  const home = emptyFolder();
  await useOnce(home);
  const [version = ''] = readdirSync(join(home, '.cache/tenantd/r1'));
  expect(readdirSync(join(home, '.cache/tenantd/r1', version))).not.toEqual([]);
  expect(await useOnce(home, { NODE_DEBUG_NATIVE: 'COMPILE_CACHE' })).toMatch(/answers\/server\.js was accepted/);
});

test('an app starts where nothing can be kept', async () => {
  const home = join(emptyFolder(), 'file');
  writeFileSync(home, 'no folder');
  expect(await useOnce(home)).not.toContain('cache');
});

test('an app can keep it elsewhere, or not at all', async () => {
  const [home, elsewhere] = [emptyFolder(), emptyFolder()];
  await useOnce(home, { NODE_COMPILE_CACHE: elsewhere });
  await useOnce(home, { NODE_DISABLE_COMPILE_CACHE: '1' });
  expect(readdirSync(elsewhere)).not.toEqual([]);
  expect(readdirSync(home)).toEqual([]);
});

test('what other releases and another Node left is removed', async () => {
  const folder = emptyFolder();
  for (const name of ['r1/old', 'r2/old', 'r2/new']) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, 'r2/new/kept'), 'code');
  await tidyCompiled(folder, join(folder, 'r2/new'));
  expect(new Set(readdirSync(folder, { recursive: true, encoding: 'utf8' }))).toEqual(new Set(['r2', 'r2/new', 'r2/new/kept']));
});

test('a folder that is another place is left alone', async () => {
  const folder = emptyFolder();
  mkdirSync(join(folder, 'r1'));
  await tidyCompiled(folder, join(emptyFolder(), 'r2/new'));
  await tidyCompiled(folder, undefined);
  expect(readdirSync(folder)).toEqual(['r1']);
});
