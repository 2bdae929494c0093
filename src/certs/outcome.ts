import { messageOf } from '../base/errors.ts';
import { lookAgainMs } from './due.ts';
import type { NameEntry } from './names.ts';
import { failuresUntilSetAside, outsideRetryDelayMs, retryDelayMs } from './retry.ts';
import { TryFault } from './try-fault.ts';

export interface OutcomeFacts {
  nowMs: number;
  /** What the DNS says now, in case the name is set aside; undefined when it is not known. */
  fingerprint: () => Promise<string | undefined>;
  random?: () => number;
}

const longestWaitMs = 7 * 86_400_000;

/** Writes into the entry what a failed try means for the next one. The caller saves it. */
export async function recordFailure(entry: NameEntry, error: unknown, facts: OutcomeFacts): Promise<void> {
  const { record, certificate } = entry;
  const fault = error instanceof TryFault ? error : new TryFault('outside', `something went wrong here: ${messageOf(error)}`);
  record.lastError = fault.message.slice(0, 2_000);
  const cause = fault.blame === 'dns' ? 'dns' : 'order';
  const isOfName = fault.blame !== 'outside' && fault.blame !== 'ca';
  if (isOfName) record.failures += 1;
  else entry.outsideFailures += 1;
  const lifetimeMs = certificate && certificate.notAfterMs - certificate.notBeforeMs;
  const ownDelayMs = isOfName
    ? retryDelayMs(cause, record.failures, lifetimeMs, facts.random)
    : outsideRetryDelayMs(entry.outsideFailures, facts.random);
  const delayMs = Math.min(longestWaitMs, Math.max(ownDelayMs, fault.retryAfterMs ?? 0));
  record.nextTryMs = Math.round(facts.nowMs + delayMs);
  const isServed = certificate !== undefined && certificate.notAfterMs > facts.nowMs;
  if (!isOfName || isServed || record.failures < failuresUntilSetAside[cause]) return;
  record.setAsideAt = (await facts.fingerprint()) ?? '';
  record.lookAgainMs = facts.nowMs + lookAgainMs;
}

/** The name starts anew: its DNS changed, or somebody said so. */
export function clearFailures({ record }: NameEntry): void {
  record.failures = 0;
  delete record.nextTryMs;
  delete record.setAsideAt;
  delete record.lookAgainMs;
}
