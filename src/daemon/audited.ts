import type { AuditRows } from './audit-rows.ts';
import { outcomeOf } from './control-server.ts';

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
export function createAudited({ audit }: { audit: Pick<AuditRows, 'begin'> }): Audited {
  return async ({ tenant, action, actor, look }, change) => {
    // What could not be put on record is not begun.
    const end = audit.begin({ tenant, action, actor, before: JSON.stringify(look()) });
    let result: Awaited<ReturnType<typeof change>>;
    try {
      result = await change();
    } catch (error) {
      end(JSON.stringify(look()), outcomeOf(error));
      throw error;
    }
    end(JSON.stringify(look()), 'done');
    return result;
  };
}
