import { randomBytes } from 'node:crypto';
import type { TenantName } from '../base/ids.ts';
import type { StateDatabase } from './state-database.ts';

/** What a tenant shows in the DNS to prove that a name is its own: a part of the state store. */
export interface DomainProofRows {
  /** Made at first use; the same for ever, and nobody's after it. */
  valueOf(tenant: TenantName): string;
}

export const domainProofTables = `
  CREATE TABLE domain_proofs (tenant TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;`;

export function createDomainProofRows(database: StateDatabase): DomainProofRows {
  return {
    valueOf(tenant) {
      const made = `tenantd=${randomBytes(16).toString('hex')}`;
      database.prepare('INSERT INTO domain_proofs (tenant, value) VALUES (?, ?) ON CONFLICT (tenant) DO NOTHING').run(tenant, made);
      return String(database.prepare('SELECT value FROM domain_proofs WHERE tenant = ?').get(tenant)?.['value']);
    },
  };
}
