import type { Command } from 'commander';
import { TenantdError } from '../base/errors.ts';
import { runSession } from './open-session.ts';
import type { GlobalOptions, SetExitCode, Surroundings } from './program.ts';
import { sinkTo } from './session-sinks.ts';

const help = `
TENANT: as the tenant's own user, which can read the code of all its apps
(/apps) and has data of its own (/data). TENANT/APP: as the app itself, with
its uid, code, data and environment, and with --secrets its secrets in
/run/secrets. Both within the limits of the tenant. Enter, then "~." closes
a session that hangs.

The exit code is the shell's; 1 to 3 with a TENANTD_E_ code on stderr are
tenantctl's own.

Example: tenantctl shell acme/site`;

export function registerShell(program: Command, surroundings: Surroundings, setExitCode: SetExitCode): void {
  program
    .command('shell')
    .description("open a shell in a tenant's own sandbox")
    .argument('<tenant[/app]>', 'a tenant, or one of its apps')
    .option('--secrets', "with the app's secrets as files")
    .addHelpText('after', help)
    .action(async (reference: string, _options: object, command: Command) => {
      const { config, json, secrets = false } = command.optsWithGlobals<GlobalOptions & { secrets?: boolean }>();
      if (json) throw new TenantdError('TENANTD_E_USAGE', 'a shell has no --json', 'use tenantctl exec --json TENANT -- COMMAND');
      const streams = surroundings.session();
      const [output, errors] = [sinkTo(streams.output), sinkTo(streams.errors)];
      const order = { config, reference, tty: streams.isTerminal, secrets, streams, output, errors };
      const { exitCode } = await runSession(surroundings, order);
      setExitCode(exitCode);
    });
}
