import { copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from './control-peer.ts';
import { startProgram } from './run-tenantctl.ts';

const scripts = new URL('../../../scripts', import.meta.url).pathname;

/** A checkout in whose dist/ the programs print how they were called. */
function makeCheckout(program: string): string {
  const root = join(temporaryFolder(), 'a checkout [1]');
  const node = join(root, `node_modules/node-linux-${process.arch}/bin`);
  for (const dir of ['scripts', 'dist']) mkdirSync(join(root, dir), { recursive: true });
  mkdirSync(node, { recursive: true });
  symlinkSync(process.execPath, join(node, 'node'));
  copyFileSync(join(scripts, program), join(root, 'scripts', program));
  writeFileSync(join(root, 'dist', `${program}.js`), 'console.log(JSON.stringify(process.argv.slice(1))); process.exit(7)\n');
  return root;
}

describe.each(['tenantctl', 'tenantd'])('scripts/%s', (program) => {
  test('runs the built program, through links, with its arguments and exit code', async () => {
    const root = makeCheckout(program);
    const link = join(temporaryFolder(), 'link');
    symlinkSync(join(root, 'scripts', program), link);
    const { exitCode, stdout, stderr } = await startProgram(link, ['status', 'two words', '*', '']).finished;
    expect({ exitCode, stderr }).toEqual({ exitCode: 7, stderr: '' });
    expect(JSON.parse(stdout)).toEqual([join(root, 'dist', `${program}.js`), 'status', 'two words', '*', '']);
  });

  test.each(['node_modules', 'dist'])('without %s says in one line what to run first', async (missing) => {
    const root = makeCheckout(program);
    rmSync(join(root, missing), { recursive: true });
    const { exitCode, stdout, stderr } = await startProgram(join(root, 'scripts', program), []).finished;
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/^.+scripts\/setup first .+\n$/);
  });
});
