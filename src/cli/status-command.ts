import type { Command } from 'commander';
import type { Status } from '../protocol/control.ts';
import { callDaemon } from './control-client.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { parseTenantName } from './references.ts';
import { renderStatus } from './status-text.ts';
import { writeJson } from './terminal.ts';

export function registerStatus(program: Command, surroundings: Surroundings): void {
  const { terminal, now } = surroundings;
  program
    .command('status')
    .description('show tenants, apps, workers, domains and problems')
    .argument('[tenant]', 'this tenant only')
    .addHelpText('after', '\nFor one tenant also all its domains and URLs, its files, and its network.\n\nExample: tenantctl status acme')
    .action(async (tenant: string | undefined, _options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const params = tenant === undefined ? {} : { tenant: parseTenantName(tenant) };
      const status = (await callDaemon(surroundings, config, 'status', params)) as Status;
      if (json) writeJson(terminal, status);
      else
        terminal.writeOut(renderStatus(status, { width: terminal.width, paint: terminal.paint, nowMs: now(), full: tenant !== undefined }));
    });
}
