import type { Command } from 'commander';
import type { GrantsResult, GrantStatus } from '../protocol/control.ts';
import { callDaemon } from './control-client.ts';
import { printable } from './printable.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { formatDistance } from './quantities.ts';
import { parseTenantName } from './references.ts';
import { type TextLayout, writeJson } from './terminal.ts';
import { renderTable } from './text-table.ts';

export function registerGrants(program: Command, surroundings: Surroundings): void {
  const { terminal, now } = surroundings;
  program
    .command('grants')
    .description('show what tenants let one another use, and how it is used')
    .argument('[tenant]', 'what this tenant gives, and what it has')
    .addHelpText('after', '\nRequests are counted since the daemon started.\n\nExample: tenantctl grants acme')
    .action(async (tenant: string | undefined, _options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const params = tenant === undefined ? {} : { tenant: parseTenantName(tenant) };
      const result = (await callDaemon(surroundings, config, 'grants', params)) as GrantsResult;
      if (json) writeJson(terminal, result);
      else terminal.writeOut(renderGrants(result.grants, { width: terminal.width, paint: terminal.paint, nowMs: now() }));
    });
}

export function renderGrants(grants: readonly GrantStatus[], { width, paint, nowMs }: TextLayout): string {
  if (grants.length === 0) return 'Nothing crosses between tenants: there are no grants.\n';
  const rows = grants.map((grant) => ({
    cells: [
      `${printable(grant.tenant)}${printable(grant.app === undefined ? `:${grant.path ?? ''}` : `/${grant.app}`)}${grant.appIsMissing ? ' (no such app)' : ''}`,
      printable(grant.to) + (grant.isThere ? '' : ' (no such tenant)'),
      grant.access,
      grant.requests === undefined ? '' : String(grant.requests),
      grant.lastUsedAt === undefined ? '' : formatDistance(Date.parse(grant.lastUsedAt), nowMs),
    ],
  }));
  return `${renderTable(['WHAT', 'MAY BE USED BY', 'ACCESS', 'REQUESTS', 'LAST'], rows, { width, paint, indent: '' }).join('\n')}\n`;
}
