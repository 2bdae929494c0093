import { outcomeOf } from './control-server.ts';
import type { Store } from './store.ts';

export interface AuditedChange {
  /** '' for the daemon itself. */
  tenant: string;
  action: string;
  actor: string;
  /** What it is about, before and afterwards. Never a secret. */
  look: () => unknown;
}

export type Audited = <Result>(what: AuditedChange, change: () => Promise<Result>) => Promise<Result>;

/** Makes a change and writes it to the audit trail, done or not. */
export function createAudited(store: Pick<Store, 'appendAudit' | 'assertWritable'>): Audited {
  return async ({ tenant, action, actor, look }, change) => {
    // What could not be put on record is not begun.
    store.assertWritable();
    const before = JSON.stringify(look());
    const write = (outcome: string): void => {
      store.appendAudit({ tenant, action, actor, before, after: JSON.stringify(look()), outcome, time: new Date().toISOString() });
    };
    try {
      const result = await change();
      write('done');
      return result;
    } catch (error) {
      write(outcomeOf(error));
      throw error;
    }
  };
}
