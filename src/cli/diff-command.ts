import type { Command } from 'commander';
import type { DiffResult } from '../protocol/template-calls.ts';
import { callDaemon } from './control-client.ts';
import { renderDiff } from './diff-text.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { parseTenantName } from './references.ts';
import { layoutOf, writeJson } from './terminal.ts';

const help = `
Changes of files are carried out at once: what is shown is what could not be,
what waits for a restart, and what is another than the files say because
somebody stopped, scaled, suspended or deployed it. "-" is what holds now, "+"
what the files say. Exit code 0, whether there is something or not.

Example: tenantctl diff acme`;

/** Thousands of tenants' files are read. */
const timeoutMs = 300_000;

export function registerDiff(program: Command, surroundings: Surroundings): void {
  program
    .command('diff')
    .description('show what the files on the disk would change in the running system')
    .argument('[tenant]', 'of one tenant (default: of all, and of tenantd itself)')
    .addHelpText('after', help)
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const params = name === undefined ? {} : { tenant: parseTenantName(name) };
      const result = (await callDaemon(surroundings, config, 'diff', params, timeoutMs)) as DiffResult;
      if (json) writeJson(surroundings.terminal, result);
      else surroundings.terminal.writeOut(renderDiff(result, layoutOf(surroundings)));
    });
}
