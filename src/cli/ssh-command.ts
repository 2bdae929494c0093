import type { Command } from 'commander';
import { TenantdError } from '../base/errors.ts';
import type { GlobalOptions, SetExitCode, Surroundings } from './program.ts';
import { splitWords } from './ssh-words.ts';

const help = `
For a line of authorized_keys: the key's holder can then ask for what the token
may do, and for nothing else on this machine. No shell reads what was asked for.
The file of the token is readable by the login's group alone.

Example: tenantctl ssh-command --token-file /etc/tenantd/keys/acme

The line, with the command in its quotes:
  restrict,pty,command="..." ssh-ed25519 AAAA... ann@laptop
And then, from there:
  ssh acme@host logs acme/site
  tar c . | ssh acme@host app deploy acme/site -`;

export function registerSsh(program: Command, surroundings: Surroundings, setExitCode: SetExitCode): void {
  const { terminal, sshCommand, runAgain, findToken } = surroundings;
  program
    .command('ssh-command')
    .description('carry out what SSH_ORIGINAL_COMMAND asks for, within a token')
    .addHelpText('after', help)
    .action(async (_options: object, command: Command) => {
      // Else whoever has the key would speak as the login's user: as root, perhaps.
      const token = await findToken?.();
      if (token === undefined || !runAgain) throw new TenantdError('TENANTD_E_USAGE', 'there is no token', 'name its file by --token-file');
      const words = wordsOf(sshCommand ?? '');
      if (words.length === 0) terminal.writeErr('Commands are given to ssh: "ssh HOST help" lists them. As now, it is "status".\n');
      const asked = words.length === 0 ? ['status'] : words;
      const { config } = command.optsWithGlobals<GlobalOptions>();
      setExitCode(await runAgain(asked, { ...surroundings, configFile: config, isOverSsh: true, findToken: () => Promise.resolve(token) }));
    });
}

/** Without the name of the program, which people put in front of it. */
function wordsOf(line: string): string[] {
  const [first, ...others] = splitWords(line);
  if (first === undefined) return [];
  return first === 'tenantctl' ? others : [first, ...others];
}
