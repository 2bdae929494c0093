import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const main = join(import.meta.dirname, '../../../src/job/main.ts');

function run(request: unknown): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, [main, JSON.stringify(request)], { timeout: 15_000 });
}

describe('a job process', () => {
  test('prints one JSON document', async () => {
    const { stdout, stderr } = await run({ job: 'manifest', apps: ['not-in-this-machine'] });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({ apps: { 'not-in-this-machine': { problems: [{ code: 'TENANTD_E_FILE_UNREADABLE' }] } } });
  });

  test('without a request ends with a failure and a line that says why', async () => {
    await expect(run(null)).rejects.toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^[^\n]+\n$/) as unknown });
  });
});
