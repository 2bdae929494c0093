import { describe, expect, test } from 'vitest';
import { TenantdError } from '../../../src/base/errors.ts';
import { createWaiters } from '../../../src/daemon/waiters.ts';

const longMs = 20_000;

describe('waiting for a state', () => {
  test('ends at once where it is there already', async () => {
    await expect(createWaiters().until(() => 'there', 'it', longMs)).resolves.toBe('there');
  });

  test.each([false, 0, '', null])('takes %j for a result: only undefined means not yet', async (result) => {
    await expect(createWaiters().until(() => result, 'it', longMs)).resolves.toBe(result);
  });

  test('ends at the first look that finds it, and is looked for only when something happened', async () => {
    const waiters = createWaiters();
    const looks: number[] = [];
    const waiting = waiters.until(() => (looks.push(looks.length) === 3 ? 'found' : undefined), 'it', longMs);
    waiters.notify();
    expect(looks).toHaveLength(2);
    waiters.notify();
    await expect(waiting).resolves.toBe('found');
    waiters.notify();
    expect(looks).toHaveLength(3);
  });

  test('ends with the error that a look throws', async () => {
    const waiters = createWaiters();
    const state: { error?: Error } = {};
    const waiting = waiters.until(
      () => {
        if (state.error) throw state.error;
        return undefined;
      },
      'it',
      longMs,
    );
    const others = waiters.until(() => (state.error ? 'goes on' : undefined), 'another', longMs);
    state.error = new TenantdError('TENANTD_E_APP_FAILED', 'acme/site: exited with code 1', 'see its logs');
    waiters.notify();
    await expect(waiting).rejects.toBe(state.error);
    await expect(others).resolves.toBe('goes on');
  });

  test('makes an error of whatever else is thrown', async () => {
    const waiting = createWaiters().until(
      () => {
        // oxlint-disable-next-line no-throw-literal, typescript/only-throw-error -- what code of others may do
        throw 'text';
      },
      'it',
      longMs,
    );
    await expect(waiting).rejects.toThrow(new Error('text'));
  });

  test('ends when its time is over, and says what was waited for', async () => {
    const waiters = createWaiters();
    const looks: number[] = [];
    const waiting = waiters.until(() => void looks.push(1), 'acme/site did not start', 20);
    const error = { code: 'TENANTD_E_TIMEOUT', message: 'acme/site did not start: not within 0.02 s', fix: 'see tenantctl status' };
    await expect(waiting).rejects.toMatchObject(error);
    waiters.notify();
    expect(looks).toHaveLength(1);
  });

  test('of many ends for each by its own result', async () => {
    const waiters = createWaiters();
    const state = { count: 0 };
    const ended: number[] = [];
    const waits = [3, 1, 2].map((wanted) =>
      waiters.until(() => (state.count >= wanted ? wanted : undefined), 'it', longMs).then((count) => ended.push(count)),
    );
    for (; state.count < 3; state.count++) {
      waiters.notify();
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    waiters.notify();
    await Promise.all(waits);
    expect(ended).toEqual([1, 2, 3]);
  });
});
