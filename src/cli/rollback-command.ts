import type { Command } from 'commander';
import type { RollbackResult } from '../protocol/release-calls.ts';
import { callDaemon } from './control-client.ts';
import { printable } from './printable.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { withProgress } from './progress.ts';
import { parseAppReference } from './references.ts';
import { writeJson } from './terminal.ts';

const help = `
Goes back to what served before the current release, or to the one that is
named ("tenantctl app releases" lists them; "local" is the folder that the
operator put there). Another rollback goes back one more.

Example: tenantctl app rollback acme/site`;

/** An app has up to ten minutes to start. */
const timeoutMs = 700_000;

export function registerRollback(app: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  app
    .command('rollback')
    .description('let an earlier release serve again')
    .argument('<tenant/app>', 'the app')
    .option('--to <release>', 'this release, instead of the one before')
    .addHelpText('after', help)
    .action(async (reference: string, _options: object, command: Command) => {
      const { config, json, to } = command.optsWithGlobals<GlobalOptions & { to?: string }>();
      const target = parseAppReference(reference);
      const ask = () => callDaemon(surroundings, config, 'app-rollback', { ...target, ...(to !== undefined && { to }) }, timeoutMs);
      const result = (await withProgress(terminal, () => 'starting', ask)) as RollbackResult;
      if (json) writeJson(terminal, { ...target, ...result });
      else
        terminal.writeOut(
          `${target.tenant}/${target.app}: ${printable(result.release)} serves again; before: ${printable(result.previous)}\n`,
        );
    });
}
