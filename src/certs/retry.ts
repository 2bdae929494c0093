import { type BackoffPolicy, backoffDelayMs } from '../base/backoff.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/** A name that does not point here yet: often somebody is editing its zone right now. It costs no order. */
const dnsPolicy: BackoffPolicy = { firstMs: minuteMs, maxMs: dayMs, healthyMs: 0 };
/** CAs count failed validations: five an hour and name at Let's Encrypt. */
const orderPolicy: BackoffPolicy = { firstMs: 15 * minuteMs, maxMs: dayMs, healthyMs: 0 };

/** After so many failures, about a day of them, a name is set aside. */
export const failuresUntilSetAside = { dns: 11, order: 8 } as const;

export type FailureCause = keyof typeof failuresUntilSetAside;

/** Of short certificates a day is too much to wait: a thirtieth of the lifetime is tried at least. */
export function retryDelayMs(cause: FailureCause, failures: number, lifetimeMs?: number, random?: () => number): number {
  const policy = cause === 'dns' ? dnsPolicy : orderPolicy;
  const maxMs = lifetimeMs === undefined ? policy.maxMs : Math.min(policy.maxMs, Math.max(10 * minuteMs, lifetimeMs / 30));
  return backoffDelayMs({ ...policy, maxMs }, failures, random);
}

/** What is wrong is not the name's fault: a resolver, the edges, a program. */
const outsidePolicy: BackoffPolicy = { firstMs: minuteMs, maxMs: 15 * minuteMs, healthyMs: 0 };

export function outsideRetryDelayMs(times: number, random?: () => number): number {
  return backoffDelayMs(outsidePolicy, times, random);
}
