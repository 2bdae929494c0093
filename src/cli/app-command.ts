import type { Command } from 'commander';
import { callDaemon } from './control-client.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { parseAppReference } from './references.ts';
import { writeJson } from './terminal.ts';

const operations = [
  { name: 'restart', description: 'start new workers beside the old ones, then end the old ones', progress: 'restarting' },
  { name: 'stop', description: 'stop an app until it is started again', progress: 'stopping' },
  { name: 'start', description: 'start an app that was stopped', progress: 'starting' },
] as const;

/** A restart waits for new workers, and for old ones to finish their requests. */
const timeoutMs = 120_000;

export function registerApp(program: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  const app = program.command('app').description("restart, stop or start one of a tenant's apps");
  for (const { name, description, progress } of operations) {
    app
      .command(name)
      .description(description)
      .argument('<tenant/app>', 'the app')
      .action(async (reference: string, _options: object, command: Command) => {
        const { config, json } = command.optsWithGlobals<GlobalOptions>();
        const target = parseAppReference(reference);
        await callDaemon(surroundings, config, `app-${name}`, target, timeoutMs);
        if (json) writeJson(terminal, { ok: true, ...target });
        else terminal.writeOut(`${target.tenant}/${target.app}: ${progress}\n`);
      });
  }
}
