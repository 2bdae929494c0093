import { TenantdError } from '../base/errors.ts';

/** Lets requests wait for a state that events bring about. */
export interface Waiters {
  /** Look again at everything that is waited for. */
  readonly notify: () => void;
  /** Resolves with the first result that `look` gives, now or after a `notify`; rejects when it throws, or after `timeoutMs`. */
  until<Result>(look: () => Result | undefined, what: string, timeoutMs: number): Promise<Result>;
}

export function createWaiters(): Waiters {
  const looks = new Set<() => void>();
  return {
    notify() {
      for (const look of looks) look();
    },
    until<Result>(look: () => Result | undefined, what: string, timeoutMs: number) {
      const { promise, resolve, reject } = Promise.withResolvers<Result>();
      const lookAgain = (): void => {
        try {
          const result = look();
          if (result !== undefined) resolve(result);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      const timer = setTimeout(
        () => reject(new TenantdError('TENANTD_E_TIMEOUT', `${what}: not within ${timeoutMs / 1000} s`, 'see tenantctl status')),
        timeoutMs,
      );
      looks.add(lookAgain);
      lookAgain();
      return promise.finally(() => {
        clearTimeout(timer);
        looks.delete(lookAgain);
      });
    },
  };
}
