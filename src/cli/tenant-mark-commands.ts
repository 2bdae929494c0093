import type { Command } from 'commander';
import type { TenantMarkResult } from '../protocol/tenant-calls.ts';
import { askWithProgress } from './ask-with-progress.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { parseTenantName } from './references.ts';
import { describeMark } from './tenant-mark-text.ts';
import { writeJson } from './terminal.ts';

/** Its apps may take their whole drain time, or start time. */
const timeoutMs = 240_000;

const suspendHelp = `
Its visitors get 503 with a page that says so, and nothing of it runs, schedules
and deploys included. Its data, domains and certificates stay.

Example: tenantctl tenant suspend acme --reason "not paid since March"`;

const resumeHelp = `
Takes back "tenant remove" while its data is still there, else "tenant suspend".

Example: tenantctl tenant resume acme`;

export function registerTenantMarks(tenant: Command, surroundings: Surroundings): void {
  tenant
    .command('suspend')
    .description('take a tenant out of service until it is resumed')
    .argument('<name>', 'the tenant')
    .option('--reason <text>', 'why: shown by status and tenant list, never to visitors')
    .addHelpText('after', suspendHelp)
    .action(async (name: string, { reason }: { reason?: string }, command: Command) => {
      const params = { tenant: parseTenantName(name), ...(reason !== undefined && { reason }) };
      await change(surroundings, command, { method: 'tenant-suspend', params, doing: `suspending ${name}` });
    });
  tenant
    .command('resume')
    .description('put a suspended or removed tenant back into service')
    .argument('<name>', 'the tenant')
    .addHelpText('after', resumeHelp)
    .action(async (name: string, _options: object, command: Command) => {
      await change(surroundings, command, {
        method: 'tenant-resume',
        params: { tenant: parseTenantName(name) },
        doing: `resuming ${name}`,
      });
    });
}

async function change(
  surroundings: Surroundings,
  command: Command,
  ask: { method: string; params: { tenant: string }; doing: string },
): Promise<void> {
  const { config, json } = command.optsWithGlobals<GlobalOptions>();
  const result = (await askWithProgress(surroundings, { config, timeoutMs, ...ask })) as TenantMarkResult;
  if (json) return writeJson(surroundings.terminal, { ok: true, ...result });
  const state = result.mark ? describeMark(result.mark, surroundings.now()) : 'in service';
  surroundings.terminal.writeOut(`${result.tenant}: ${state}\n`);
}
