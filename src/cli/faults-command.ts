import { type Command, InvalidArgumentError } from 'commander';
import { type FaultsResult, mostFaults } from '../protocol/fault-calls.ts';
import { callDaemon } from './control-client.ts';
import { renderFaults } from './fault-text.ts';
import { parseMoment } from './parse-moment.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { parseTenantName } from './references.ts';
import { layoutOf, writeJson } from './terminal.ts';

const help = `
Limits of the plan by their names in tenantd.yaml, refused packets (egress),
and what failed: crash, quarantine, hang, schedule, release, stall. The same
again within ten minutes is one line. The last 200 of a tenant are kept, for
30 days at most.

Examples: tenantctl faults acme --since 2h
          tenantctl faults --json -n 500`;

interface FaultOptions extends GlobalOptions {
  since?: string;
  most: number;
}

export function registerFaults(program: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  program
    .command('faults')
    .description('show who hit which limit, when, with which processes')
    .argument('[tenant]', 'of one tenant (default: of all)')
    .option('--since <time>', '10m, 2h, 3d ago; today, yesterday; 2026-11-21T10:00', (text) => parseMoment(text, surroundings.now()))
    .option('-n, --most <count>', 'the newest of them', parseCount, 50)
    .addHelpText('after', help)
    .action(async (tenant: string | undefined, _options: object, command: Command) => {
      const { config, json, since, most } = command.optsWithGlobals<FaultOptions>();
      const params = {
        ...(tenant !== undefined && { tenant: parseTenantName(tenant) }),
        ...(since !== undefined && { sinceMs: Math.max(0, Date.parse(since)) }),
        most,
      };
      const result = (await callDaemon(surroundings, config, 'faults', params)) as FaultsResult;
      if (json) writeJson(terminal, result);
      else terminal.writeOut(renderFaults(result.faults, layoutOf(surroundings)));
    });
}

function parseCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= mostFaults) return count;
  throw new InvalidArgumentError(`give a number from 1 to ${mostFaults}`);
}
