import type { TenantName } from '../base/ids.ts';
import type { ProposalState } from '../protocol/proposal-calls.ts';
import type { StateDatabase } from './state-database.ts';

export interface ProposalRow {
  tenant: TenantName;
  id: string;
  call: string;
  /** As checked by the call's schema. Never a secret: calls that take one can't be proposed. */
  params: unknown;
  proposedAt: string;
  proposedBy: string;
  state: ProposalState;
  decidedAt: string | undefined;
  decidedBy: string | undefined;
  /** Why it was denied, or how it failed. */
  reason: string | undefined;
}

/** What tokens of role `agent` asked for: a part of the state store. */
export interface ProposalRows {
  /** The newest first. */
  of(tenant: string): ProposalRow[];
  all(): ProposalRow[];
  find(id: string): ProposalRow | undefined;
  put(row: ProposalRow): void;
  /** False when it is in another state than `from` already. */
  move(row: ProposalRow, from: ProposalState, to: Pick<ProposalRow, 'state' | 'decidedAt' | 'decidedBy' | 'reason'>): boolean;
  remove(row: ProposalRow): void;
}

export const proposalTables = `
  CREATE TABLE proposals (tenant TEXT NOT NULL, id TEXT NOT NULL UNIQUE, call TEXT NOT NULL, params TEXT NOT NULL, proposed_at TEXT NOT NULL,
    proposed_by TEXT NOT NULL, state TEXT NOT NULL, decided_at TEXT, decided_by TEXT, reason TEXT, PRIMARY KEY (tenant, id)) STRICT;`;

export function createProposalRows(database: StateDatabase): ProposalRows {
  const rows = (where: string, ...values: string[]): ProposalRow[] =>
    database
      .prepare(`SELECT * FROM proposals ${where} ORDER BY proposed_at DESC, id`)
      .all(...values)
      .map(toRow);

  return {
    of: (tenant) => rows('WHERE tenant = ?', tenant),
    all: () => rows(''),
    find: (id) => rows('WHERE id = ?', id)[0],
    put({ tenant, id, call, params, proposedAt, proposedBy, state }) {
      const sql = 'INSERT INTO proposals (tenant, id, call, params, proposed_at, proposed_by, state) VALUES (?, ?, ?, ?, ?, ?, ?)';
      database.prepare(sql).run(tenant, id, call, JSON.stringify(params), proposedAt, proposedBy, state);
    },
    move({ tenant, id }, from, { state, decidedAt, decidedBy, reason }) {
      const sql = 'UPDATE proposals SET state = ?, decided_at = ?, decided_by = ?, reason = ? WHERE tenant = ? AND id = ? AND state = ?';
      const values = [state, decidedAt ?? null, decidedBy ?? null, reason ?? null, tenant, id, from];
      return Number(database.prepare(sql).run(...values).changes) > 0;
    },
    remove: ({ tenant, id }) => void database.prepare('DELETE FROM proposals WHERE tenant = ? AND id = ?').run(tenant, id),
  };
}

function toRow(row: Record<string, unknown>): ProposalRow {
  const text = (name: string): string => String(row[name]);
  const textOrNone = (name: string): string | undefined => (row[name] === null ? undefined : text(name));
  return {
    ...{ tenant: text('tenant') as TenantName, id: text('id'), call: text('call'), params: JSON.parse(text('params')) as unknown },
    ...{ proposedAt: text('proposed_at'), proposedBy: text('proposed_by'), state: text('state') as ProposalState },
    ...{ decidedAt: textOrNone('decided_at'), decidedBy: textOrNone('decided_by'), reason: textOrNone('reason') },
  };
}
