import { execFile } from 'node:child_process';
import { fstatSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { isJournal } from '../../../src/daemon/log.ts';

const program = fileURLToPath(new URL('./logs-in-format.ts', import.meta.url));

async function logged(format: 'text' | 'json' | 'journal'): Promise<string[]> {
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

test('a log for the journal has one line a message, its level before it, and no level that somebody else wrote', async () => {
  const lines = await logged('journal');
  expect(lines).toEqual([
    '<6>tenantd is ready',
    expect.stringMatching(/^<4>a.* tenant=acme from=host$/),
    expect.stringMatching(/^<3>ended output=a.* nested=\{.*\} exitCode=null isFatal=false$/),
  ]);
  expect(lines.join('')).not.toMatch(/\p{Cc}/u);
});

test('stdout leads to the journal where it is the file that systemd named', () => {
  const { dev, ino } = fstatSync(1);
  expect([`${dev}:${ino}`, `${dev}:${ino + 1}`, '', undefined].map(isJournal)).toEqual([true, false, false, false]);
});
