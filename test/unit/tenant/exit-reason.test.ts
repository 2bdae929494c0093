import { expect, test } from 'vitest';
import { describeExit, formatDuration, type WorkerExit } from '../../../src/tenant/exit-reason.ts';

const reason = (exit: Partial<WorkerExit>, wasReady = true, lines: string[] = []): string =>
  describeExit({ exitCode: 0, outOfMemory: false, ...exit }, 80, wasReady, lines).reason;

test('an end is told as a person would tell it', () => {
  expect(reason({ exitCode: 1 })).toBe('exited with code 1 after 80 ms');
  expect(reason({ exitCode: 0 })).toBe('ended by itself after 80 ms');
  expect(reason({ exitCode: 0 }, false)).toBe('ended by itself without listening after 80 ms');
  expect(reason({ exitCode: 139 })).toBe('was killed by SIGSEGV after 80 ms');
  expect(reason({ exitCode: 255 })).toBe('exited with code 255 after 80 ms');
  expect(reason({ exitCode: null })).toBe('ended for a reason that is not known after 80 ms');
  expect(reason({ exitCode: null, detail: 'no sandbox' })).toBe('ended (no sandbox) after 80 ms');
  expect(reason({ exitCode: 137, outOfMemory: true })).toBe('was ended at its memory limit after 80 ms');
});

test('both ways to run out of memory have their code', () => {
  const heap = ['FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory'];
  const code = (exit: WorkerExit, lines: string[]): string => describeExit(exit, 80, true, lines).code;
  expect(code({ exitCode: 137, outOfMemory: true }, [])).toBe('TENANTD_E_APP_MEMORY');
  expect(code({ exitCode: 134, outOfMemory: false }, heap)).toBe('TENANTD_E_APP_MEMORY');
  expect(code({ exitCode: 134, outOfMemory: false }, [])).toBe('TENANTD_E_APP_FAILED');
  expect(code({ exitCode: 1, outOfMemory: false }, heap)).toBe('TENANTD_E_APP_FAILED');
});

test.each([
  [-3, '0 ms'],
  [999.6, '1000 ms'],
  [1_000, '1 s'],
  [3_250, '3.3 s'],
  [90_000, '2 min'],
  [7_300_000, '2 h'],
])('%d ms is %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});
