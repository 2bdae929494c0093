import type { Command } from 'commander';
import { TenantdError } from '../base/errors.ts';
import type { AppScaleResult } from '../protocol/control.ts';
import { callDaemon } from './control-client.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { parseAppReference } from './references.ts';
import { writeJson } from './terminal.ts';

/** The daemon answers when so many workers serve. */
const timeoutMs = 150_000;
const mostWorkers = 64;

export function registerScale(app: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  app
    .command('scale')
    .description("set an app's number of workers, or give it back to app.yaml")
    .argument('<tenant/app>', 'the app')
    .argument('<workers>', 'a number, or auto')
    .addHelpText('after', '\nExample: tenantctl app scale acme/site 3')
    .action(async (reference: string, number: string, _options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const target = parseAppReference(reference);
      const params = { ...target, workers: parseWorkers(number) };
      const result = (await callDaemon(surroundings, config, 'app-scale', params, timeoutMs)) as AppScaleResult;
      if (json) writeJson(terminal, { ok: true, ...target, ...result });
      else terminal.writeOut(`${target.tenant}/${target.app}: ${describe(result)}\n`);
    });
}

function parseWorkers(text: string): number | 'auto' {
  if (text === 'auto') return text;
  const workers = Number(text);
  if (/^\d+$/.test(text) && workers >= 1 && workers <= mostWorkers) return workers;
  throw new TenantdError(
    'TENANTD_E_USAGE',
    `${text} is no number of workers`,
    `give one from 1 to ${mostWorkers}, or auto; tenantctl app stop ends them all`,
  );
}

function describe({ workers: { min, max }, asked }: AppScaleResult): string {
  const count = min === max ? `${min} ${min === 1 ? 'worker' : 'workers'}` : `${min} to ${max} workers, as its load asks`;
  return asked === undefined ? count : `${count}: its plan allows no more than that`;
}
