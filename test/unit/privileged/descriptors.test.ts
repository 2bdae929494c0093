import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const program = fileURLToPath(new URL('./closes-inherited.ts', import.meta.url));

test('descriptors that the parent left open are not passed on, and own ones stay open', async () => {
  const foreign = openSync('/etc/passwd', 'r');
  // Node itself sets FD_CLOEXEC on those below the first gap from 16 on (uv_disable_stdio_inheritance): 40 is the test.
  const gap = Array.from({ length: 36 }, () => 'ignore' as const);
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit', foreign, ...gap, foreign], env: {} });
  closeSync(foreign);
  const output = child.stdout ? await Promise.all([text(child.stdout), once(child, 'exit')]) : [''];
  const { before, closed, after, ownBytes } = JSON.parse(output[0]) as Record<string, unknown>;
  expect(before).toContain('40');
  expect(closed).toBeGreaterThanOrEqual(1);
  expect(after).toEqual(['0', '1', '2', '3']);
  expect(ownBytes).toBe(1);
});
