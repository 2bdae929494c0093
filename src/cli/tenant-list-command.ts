import type { Command } from 'commander';
import type { TenantListEntry, TenantListResult } from '../protocol/tenant-calls.ts';
import { callDaemon } from './control-client.ts';
import { printable } from './printable.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { formatBytes } from './quantities.ts';
import { describeMark } from './tenant-mark-text.ts';
import { layoutOf, type TextLayout, writeJson } from './terminal.ts';
import { renderTable } from './text-table.ts';
import { wrapText } from './wrap-text.ts';

export function registerTenantList(tenant: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  tenant
    .command('list')
    .description('list the tenants, and those that are suspended or being removed')
    .addHelpText('after', '\nExample: tenantctl tenant list')
    .action(async (_options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const result = (await callDaemon(surroundings, config, 'tenant-list', {})) as TenantListResult;
      if (json) writeJson(terminal, result);
      else terminal.writeOut(`${renderTenants(result.tenants, layoutOf(surroundings)).join('\n')}\n`);
    });
}

export function renderTenants(tenants: readonly TenantListEntry[], layout: TextLayout): string[] {
  if (tenants.length === 0) return ['no tenants: tenantctl tenant create makes one'];
  const rows = tenants.map(({ name, state, plan, domains, diskBytes, mark }) => ({
    cells: [name, state, plan, String(domains), formatBytes(diskBytes)].map(printable),
    details: mark ? wrapText(describeMark(mark, layout.nowMs), layout.width, '  ') : [],
  }));
  return renderTable(['TENANT', 'STATE', 'PLAN', 'DOMAINS', 'DISK'], rows, { ...layout, indent: '' });
}
