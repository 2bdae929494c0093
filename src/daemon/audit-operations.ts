import type { AuditListResult } from '../protocol/audit-calls.ts';
import type { AuditEntry, AuditRecord } from '../protocol/audit-chain.ts';
import type { AuditRows } from './audit-rows.ts';
import type { ControlOperations } from './control-server.ts';

/** What can be asked of the audit trail. Nothing in here changes it. */
export function createAuditOperations({ audit }: { audit: AuditRows }): Pick<ControlOperations, 'audit-list' | 'audit-head'> {
  return {
    'audit-list'(query, { who }): AuditListResult {
      const page = audit.list(query);
      if (who.role === 'operator') return page;
      return { ...page, records: page.records.map(withoutHashes) };
    },
    'audit-head'() {
      const [head, kept] = [audit.head(), audit.kept()];
      return { ...(head && { head }), ...(kept && { kept }) };
    },
  };
}

function withoutHashes({ sequence, tenant, time, actor, action, before, after, outcome }: AuditRecord): AuditEntry & { sequence: number } {
  return { sequence, tenant, time, actor, action, before, after, outcome };
}
