import type { Command } from 'commander';
import { callDaemon } from './control-client.ts';
import { registerDeploy } from './deploy-command.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { parseAppReference } from './references.ts';
import { registerReleases } from './releases-command.ts';
import { registerRollback } from './rollback-command.ts';
import { registerScale } from './scale-command.ts';
import { writeJson } from './terminal.ts';

const operations = [
  { name: 'restart', description: 'start new workers beside the old ones, then end the old ones', done: 'restarted' },
  { name: 'stop', description: 'stop an app until it is started again', done: 'stopped' },
  { name: 'start', description: 'start an app that was stopped', done: 'started' },
] as const;

/** The daemon answers when it is done, and says after two minutes why it is not. */
const timeoutMs = 150_000;

export function registerApp(program: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  const app = program.command('app').description("deploy, scale, restart, stop or start one of a tenant's apps");
  registerDeploy(app, surroundings);
  registerRollback(app, surroundings);
  registerReleases(app, surroundings);
  registerScale(app, surroundings);
  for (const { name, description, done } of operations) {
    app
      .command(name)
      .description(description)
      .argument('<tenant/app>', 'the app')
      .addHelpText('after', `\nExample: tenantctl app ${name} acme/site`)
      .action(async (reference: string, _options: object, command: Command) => {
        const { config, json } = command.optsWithGlobals<GlobalOptions>();
        const target = parseAppReference(reference);
        await callDaemon(surroundings, config, `app-${name}`, target, timeoutMs);
        if (json) writeJson(terminal, { ok: true, ...target });
        else terminal.writeOut(`${target.tenant}/${target.app}: ${done}\n`);
      });
  }
}
