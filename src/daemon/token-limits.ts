import { TenantdError } from '../base/errors.ts';
import { type CallName, isChange, type Who } from './policy.ts';
import { createRate } from './rate.ts';

/** What one tenant's tokens together may ask of the daemon, which has one thread for all, and of the disk that its audit trail is on. */
export interface TokenLimits {
  /** Throws TENANTD_E_BUSY. Answers with what to call when the call is answered. */
  enter(who: Who, call: CallName): () => void;
  /** Whether one more refusal goes on record. */
  mayRecordRefusal(tenant: string): boolean;
}

const maxOpenCalls = 32;
const callRate = { burst: 200, perSecond: 50 };
const changeRate = { burst: 200, perSecond: 0.5 };
const refusalRate = { burst: 20, perSecond: 1 / 600 };

type Rate = ReturnType<typeof createRate>;

interface Use {
  open: number;
  calls: Rate;
  changes: Rate;
  refusals: Rate;
}

export function createTokenLimits(nowMs: () => number): TokenLimits {
  const uses = new Map<string, Use>();

  function useOf(tenant: string): Use {
    const rate = (settings: typeof callRate): Rate => createRate({ ...settings, nowMs });
    const use = uses.get(tenant) ?? { open: 0, calls: rate(callRate), changes: rate(changeRate), refusals: rate(refusalRate) };
    uses.set(tenant, use);
    return use;
  }

  return {
    enter(who, call) {
      if (who.role === 'operator') return () => {};
      const use = useOf(who.tenant);
      if (use.open >= maxOpenCalls || !use.calls.take()) throw busy(who.tenant, 'calls');
      if (isChange(call) && !use.changes.take()) throw busy(who.tenant, 'changes');
      use.open += 1;
      return () => void (use.open -= 1);
    },
    mayRecordRefusal: (tenant) => useOf(tenant).refusals.take(),
  };
}

function busy(tenant: string, what: string): TenantdError {
  return new TenantdError('TENANTD_E_BUSY', `too many ${what} come from the tokens of ${tenant}`, 'wait a moment, and ask less often');
}
