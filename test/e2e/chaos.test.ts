import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { repositoryPath } from '../support/test-daemon.ts';

const run = promisify(execFile);

/** In a process of its own: it enters a network of its own. What failed, and around what, is in its output. */
test('while processes are killed, files broken, and releases deployed at random, nobody else notices, and nothing is left', async () => {
  const args = [repositoryPath('test/chaos/main.ts'), '--seconds', '25', '--seed', '1', '--pace', '200'];
  const ended = await run(process.execPath, args, { maxBuffer: 16 << 20 }).catch(
    (error: unknown) => error as { stdout: string; stderr: string },
  );

  expect(ended.stdout, `${ended.stdout}\n${ended.stderr}`).toContain('no request failed that should not, nothing leaked');
}, 400_000);
