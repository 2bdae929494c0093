import type { Command } from 'commander';
import { type MetricsSnapshot, renderMetrics } from '../protocol/metrics.ts';
import { callDaemon } from './control-client.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { writeJson } from './terminal.ts';

export function registerMetrics(program: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  program
    .command('metrics')
    .description('print figures of all tenants as Prometheus reads them')
    .addHelpText(
      'after',
      `
The same as the address "metrics.listen" of tenantd.yaml answers. For
node_exporter, write it beside its name first, so that it is read whole:

Example: cd /var/lib/node_exporter && tenantctl metrics > tenantd.prom.$$ &&
         mv tenantd.prom.$$ tenantd.prom`,
    )
    .action(async (_options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const snapshot = (await callDaemon(surroundings, config, 'metrics', {})) as MetricsSnapshot;
      if (json) writeJson(terminal, snapshot);
      else terminal.writeOut(renderMetrics(snapshot));
    });
}
