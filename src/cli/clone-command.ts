import type { Command } from 'commander';
import type { RestoreResult } from '../protocol/backup-calls.ts';
import { hearDaemon } from './backup-stream.ts';
import { renderMade } from './backup-text.ts';
import { connectDaemon } from './control-client.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { withProgress } from './progress.ts';
import { writeJson } from './terminal.ts';

const help = `
As a backup that is restored under another name, without a file: its apps with
their releases, its data as of now, copies of its secrets. NEW takes the place
of its first domain, one more that of its second, or OLD=NEW says which.

It is for trying things, so it does nothing by itself: its tenant.yaml says
"schedules: paused", and it lets no other tenant use anything. What it may
reach is what the original may: mind what its secrets are good for.

Example: tenantctl tenant clone acme acme-staging --domain staging.acme.example`;

const openTimeoutMs = 60_000;

interface CloneOptions extends GlobalOptions {
  domain: string[];
  plan?: string;
}

export function registerClone(tenant: Command, surroundings: Surroundings): void {
  tenant
    .command('clone')
    .description('make a copy of a tenant, under other domains')
    .argument('<name>', 'the tenant')
    .argument('<new>', 'the name of the copy')
    .requiredOption('--domain <domain...>', 'in place of its own: NEW, or OLD=NEW')
    .option('--plan <plan>', 'in place of its own')
    .addHelpText('after', help)
    .action(async (name: string, as: string, _options: object, command: Command) => {
      const { config, json, domain, plan } = command.optsWithGlobals<CloneOptions>();
      const { terminal, now } = surroundings;
      const startedAtMs = now();
      const channel = await connectDaemon(surroundings, config, {});
      try {
        const params = { tenant: name, as, domains: domain, ...(plan !== undefined && { plan }) };
        const { stream } = await channel.upgrade('tenant-clone', params, openTimeoutMs);
        let doing = `cloning ${name}`;
        const hearer = { onStep: (step: { doing: string }) => void (doing = step.doing) };
        const result = (await withProgress(
          terminal,
          () => doing,
          () => hearDaemon(stream, hearer),
        )) as RestoreResult;
        const seconds = (now() - startedAtMs) / 1_000;
        if (json) writeJson(terminal, { ...result, seconds });
        else terminal.writeOut(renderMade(result, seconds));
      } finally {
        channel.close();
      }
    });
}
