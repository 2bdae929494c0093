import { type Gate, outcomeOf } from './control-server.ts';
import { isChange } from './policy.ts';
import type { Store } from './store.ts';
import { createTokenLimits } from './token-limits.ts';

/** What holders of tokens meet besides the policy. */
export function createTokenGate(parts: { store: Pick<Store, 'appendAudit'>; propose: Gate['propose']; nowMs: () => number }): Gate {
  const limits = createTokenLimits(parts.nowMs);

  return {
    enter: (who, call) => limits.enter(who, call),
    /** What was asked for, with whose names in it, stays out of the record: it is a stranger's word. */
    onDenied({ actor, who }, call, error) {
      if (who.role === 'operator' || !isChange(call) || !limits.mayRecordRefusal(who.tenant)) return;
      const nothing = { before: 'null', after: 'null', time: new Date(parts.nowMs()).toISOString() };
      parts.store.appendAudit({ tenant: who.tenant, action: call, actor, ...nothing, outcome: outcomeOf(error) });
    },
    propose: parts.propose,
  };
}
