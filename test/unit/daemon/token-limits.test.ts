import { expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import type { Who } from '../../../src/daemon/policy.ts';
import { createTokenLimits } from '../../../src/daemon/token-limits.ts';

const holder = (tenant: string): Who => ({ role: 'admin', tenant: tenant as TenantName, token: 'abcdef' });

function createLimits() {
  let clockMs = 0;
  const limits = createTokenLimits(() => clockMs);
  /** How many of so many calls are let in, each answered at once. */
  const letIn = (call: 'status' | 'app-restart', count: number, who = holder('acme')): number => {
    let taken = 0;
    for (let index = 0; index < count; index += 1) {
      try {
        limits.enter(who, call)();
        taken += 1;
      } catch {
        // too many
      }
    }
    return taken;
  };
  return { limits, letIn, wait: (ms: number) => void (clockMs += ms) };
}

test("a tenant's tokens ask 200 times at once, then 50 times a second; the operator's as often as they like", () => {
  const { letIn, wait } = createLimits();
  expect(letIn('status', 300)).toBe(200);
  wait(1_000);
  expect(letIn('status', 300)).toBe(50);
  expect(letIn('status', 100, holder('globex'))).toBe(100);
  expect(letIn('status', 5_000, { role: 'operator', token: 'abcdef' })).toBe(5_000);
});

test('changes are fewer: 200, then one in two seconds', () => {
  const { letIn, wait } = createLimits();
  expect(letIn('app-restart', 200)).toBe(200);
  wait(10_000);
  expect(letIn('app-restart', 50)).toBe(5);
  expect(letIn('status', 50)).toBe(50);
});

test('calls that wait for their answer are 32, of all tokens of a tenant', () => {
  const { limits } = createLimits();
  const open = Array.from({ length: 32 }, () => limits.enter(holder('acme'), 'status'));
  expect(() => limits.enter(holder('acme'), 'status')).toThrow('too many calls');
  limits.enter(holder('globex'), 'status')();
  open[0]?.();
  limits.enter(holder('acme'), 'status');
  expect(() => limits.enter(holder('acme'), 'status')).toThrow('too many calls');
});

test('refusals are put on record 20 times, then every ten minutes', () => {
  const { limits, wait } = createLimits();
  const recorded = (): number => Array.from({ length: 100 }, () => limits.mayRecordRefusal('acme')).filter(Boolean).length;
  expect(recorded()).toBe(20);
  wait(30 * 60_000);
  expect(recorded()).toBe(3);
});
