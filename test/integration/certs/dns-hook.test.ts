import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runHook } from '../../../src/certs/dns-hook.ts';
import { until } from '../../support/until.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hook-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

const run = (script: string, timeoutMs?: number): Promise<void> =>
  runHook(['/bin/sh', '-c', script, 'hook'], 'present', '_acme-challenge.acme.example', 'value', timeoutMs);

describe('the DNS hook', () => {
  test('gets its arguments as they are, and nothing of our environment', async () => {
    const file = join(directory, 'seen');
    await run(`printf '%s\\n' "$@" >${file}; env >>${file}`);
    const [action, name, value, ...variables] = readFileSync(file, 'utf8').trim().split('\n');
    expect([action, name, value]).toEqual(['present', '_acme-challenge.acme.example', 'value']);
    expect(new Set(variables.map((line) => line.split('=', 1)[0]))).toEqual(new Set(['LANG', 'PATH', 'PWD']));
  });

  test('a failure is told with the last that it printed', async () => {
    await expect(run('echo first; echo "no such zone" >&2; exit 3')).rejects.toMatchObject({
      blame: 'outside',
      message: expect.stringMatching(/ended with 3: first \/ no such zone$/) as string,
    });
  });

  test('a flood of output costs nothing', async () => {
    await expect(run('head -c 50000000 /dev/zero | tr "\\0" x; exit 1')).rejects.toMatchObject({
      message: expect.stringMatching(/^.{50,600}$/) as string,
    });
  });

  test('one that hangs is killed with all that it started', async () => {
    const file = join(directory, 'pid');
    await expect(run(`sleep 300 & echo $! >${file}; wait`, 500)).rejects.toThrow('did not end within');
    const pid = Number(readFileSync(file, 'utf8'));
    await until(() => !isRunning(pid), 'what it started ends');
  });

  test('a program that is not there says so', async () => {
    await expect(runHook(['/no/such/hook'], 'present', 'name', 'value')).rejects.toThrow('can not be started');
  });
});

/** A zombie that nobody waits for counts as ended. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
