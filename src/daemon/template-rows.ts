import type { TenantName } from '../base/ids.ts';
import type { TemplateInput } from '../config/template-render.ts';
import type { StateDatabase } from './state-database.ts';
import { upsert } from './upsert.ts';

/** What a tenant was made from, and what was written: a file that is another one now was changed since. */
export interface TemplateRow {
  template: string;
  input: Omit<TemplateInput, 'name'>;
  /** By path below the tenant's folder; of what the template had there last. */
  hashes: Readonly<Record<string, string>>;
  /** tenant.yaml as it was rendered last: changes of its keys are merged. */
  tenantYaml: string;
  appliedAt: string;
}

/** A change that is to be finished, whatever comes between: all that is to be put in place is written, beside it. */
export interface PendingTemplate {
  row: TemplateRow;
  pieces: readonly TemplatePiece[];
  /** It is to be taken back. */
  backwards?: boolean;
}

/** Below the tenant's folder. */
export interface TemplatePiece {
  path: string;
  /** Of what is to come there. Absent: what is there is to go. */
  inode?: string;
}

/** Which templates tenants were made from: a part of the state store. */
export interface TemplateRows {
  get(tenant: TenantName): TemplateRow | undefined;
  /** That is done; nothing is pending. */
  set(tenant: TenantName, row: TemplateRow): void;
  begin(tenant: TenantName, pending: PendingTemplate): void;
  /** It is not to be. */
  drop(tenant: TenantName): void;
  /** It was made without one. */
  forget(tenant: TenantName): void;
  pending(): (PendingTemplate & { tenant: TenantName })[];
  /** Of a template, or of all. */
  tenants(template?: string): { tenant: TenantName; template: string }[];
}

export const templateTables = `
  CREATE TABLE tenant_templates (tenant TEXT NOT NULL PRIMARY KEY, template TEXT NOT NULL, row TEXT NOT NULL, pending TEXT) STRICT;`;

const writeRow = upsert('tenant_templates', ['tenant'], ['template', 'row', 'pending']);

export function createTemplateRows(database: StateDatabase): TemplateRows {
  const all = (sql: string, ...values: string[]): Record<string, unknown>[] => database.prepare(sql).all(...values);
  const run = (sql: string, ...values: (string | null)[]): void => void database.prepare(sql).run(...values);
  return {
    get(tenant) {
      const [found] = all('SELECT row FROM tenant_templates WHERE tenant = ?', tenant);
      return found && (JSON.parse(String(found['row'])) as TemplateRow);
    },
    set: (tenant, row) => run(writeRow, tenant, row.template, JSON.stringify(row), null),
    begin: (tenant, pending) => run('UPDATE tenant_templates SET pending = ? WHERE tenant = ?', JSON.stringify(pending), tenant),
    drop: (tenant) => run('UPDATE tenant_templates SET pending = NULL WHERE tenant = ?', tenant),
    forget: (tenant) => run('DELETE FROM tenant_templates WHERE tenant = ?', tenant),
    pending: () =>
      all('SELECT tenant, pending FROM tenant_templates WHERE pending IS NOT NULL').map(({ tenant, pending }) => ({
        ...(JSON.parse(String(pending)) as PendingTemplate),
        tenant: tenant as TenantName,
      })),
    tenants: (template) =>
      all(
        `SELECT tenant, template FROM tenant_templates ${template === undefined ? '' : 'WHERE template = ?'} ORDER BY tenant`,
        ...(template === undefined ? [] : [template]),
      ).map((row) => ({ tenant: row['tenant'] as TenantName, template: String(row['template']) })),
  };
}
