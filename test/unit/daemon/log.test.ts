import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const program = fileURLToPath(new URL('./logs-in-format.ts', import.meta.url));

async function logged(format: 'text' | 'json'): Promise<string[]> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program, format], { env: {} });
  expect(stderr).toBe('');
  expect(stdout.endsWith('\n')).toBe(true);
  return stdout.slice(0, -1).split('\n');
}

test('a log for a person has one line a message, with no character that speaks to a terminal', async () => {
  const lines = await logged('text');
  const shown = String.raw`a\u001b[2Jb\u0007\bc\r\nd\u009b31me\u007f\u0000 ü`;
  expect(lines.map((line) => line.replace(/^\d\d:\d\d:\d\d /, ''))).toEqual([
    'info  tenantd is ready',
    expect.stringMatching(/^warn {2}a.* tenant=acme from=host$/),
    expect.stringMatching(/^error ended output=a.* nested=\{.*\} exitCode=null isFatal=false$/),
  ]);
  expect(lines.join('')).not.toMatch(/\p{Cc}/u);
  expect(lines[1]).toContain(shown);
  expect(lines[2]).toContain(`output=${shown}`);
});

test('a log for a program has one JSON object a line, with names of levels and times in ISO 8601', async () => {
  const lines = (await logged('json')).map((line) => JSON.parse(line) as Record<string, unknown>);
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(lines).toEqual([
    { level: 'info', time, msg: 'tenantd is ready' },
    { level: 'warn', time, tenant: 'acme', from: 'host', msg: expect.stringContaining('\u001b[2J') },
    expect.objectContaining({ level: 'error', time, msg: 'ended', exitCode: null, isFatal: false }),
  ]);
});
