import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findToken, withoutTokens } from '../../../src/cli/token-source.ts';

const token = `tenantd_abc234_${'Ab-_9'.repeat(8)}xyz`;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tenantd-cli-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(content: string, mode: number): string {
  const file = join(folder, 'token');
  writeFileSync(file, content);
  chmodSync(file, mode);
  return file;
}

test('a token comes from a file, else from the environment, else from nowhere', async () => {
  expect(await findToken({ variable: undefined, file: undefined })).toBeUndefined();
  expect(await findToken({ variable: token, file: undefined })).toBe(token);
  expect(await findToken({ variable: 'another', file: write(`${token}\n`, 0o640) })).toBe(token);
});

test.each(['', 'x', `${token}x`, token.slice(1), `${token}\n${token}`])(
  'what is no token is an error, and is not told: %j',
  async (text) => {
    const tries = [findToken({ variable: text, file: undefined }), findToken({ variable: undefined, file: write(text, 0o600) })];
    for (const tried of await Promise.allSettled(tries)) {
      expect(tried).toMatchObject({ status: 'rejected', reason: { code: 'TENANTD_E_BAD_TOKEN' } });
      expect(JSON.stringify(tried)).not.toContain('Ab-_9');
    }
  },
);

test.each([0o644, 0o604, 0o602, 0o601])('a file of mode %o, open to all, is not used', async (mode) => {
  await expect(findToken({ variable: undefined, file: write(token, mode) })).rejects.toMatchObject({
    code: 'TENANTD_E_BAD_TOKEN',
    fix: expect.stringContaining('chmod'),
  });
});

test('a file that is not there, or a folder, is an error even where the environment has a token', async () => {
  for (const file of [join(folder, 'none'), folder])
    await expect(findToken({ variable: token, file })).rejects.toMatchObject({ code: 'TENANTD_E_BAD_TOKEN' });
});

test('what a person reads has no token in it', () => {
  expect(withoutTokens(`unknown option '--token=${token}', or ${token}`)).toBe(
    "unknown option '--token=tenantd_abc234_...', or tenantd_abc234_...",
  );
});
