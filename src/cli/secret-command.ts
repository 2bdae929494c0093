import type { Command } from 'commander';
import type { MachineKeyRotateResult, SecretChangeResult, SecretListResult, SecretRotateResult } from '../protocol/secret-calls.ts';
import { TenantdError } from '../base/errors.ts';
import { callDaemon } from './control-client.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { withProgress } from './progress.ts';
import { checkSecretName, readSecret } from './read-secret.ts';
import { parseLogSource, parseTenantName } from './references.ts';
import { renderMachineKeyRotation, renderRotation, renderSecretChange, renderSecrets } from './secret-text.ts';
import { layoutOf, writeJson } from './terminal.ts';

/** The daemon replaces one app after another, and gives up on each after two minutes. */
const timeoutMs = 900_000;

const setHelp = `
The value comes from standard input, without the newline at its end; on a
terminal it is asked for, and not shown. For TENANT all its apps get it, for
TENANT/APP that app alone: new workers, in process.env of a Node app, and every
app as /run/secrets/KEY.

Example: tenantctl secret set acme/site DATABASE_URL < url.txt`;

const rotateHelp = `
Nothing is stopped, and no app notices.

Example: tenantctl secret rotate acme`;

/** In words that do not repeat it: everybody on the machine has seen it by then. */
const valueInArguments = new TenantdError(
  'TENANTD_E_USAGE',
  'a value is not taken from the command line, where all users see it',
  'give it on standard input; and take another value: this one is in the shell history, too',
);

interface ChangeOptions extends GlobalOptions {
  wait: boolean;
  keepNewline?: boolean;
}

export function registerSecret(program: Command, surroundings: Surroundings): void {
  const secret = program.command('secret').description('set, list or remove secrets of tenants and apps, rotate keys');
  registerSet(secret, surroundings);
  registerList(secret, surroundings);
  registerRemove(secret, surroundings);
  registerRotate(secret, surroundings);
}

function registerSet(secret: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  secret
    .command('set')
    .description('set a secret to what is given on standard input')
    .argument('<tenant[/app]>', 'a tenant, or one of its apps')
    .argument('<key>', 'its name: letters, digits and "_"')
    .option('--keep-newline', 'keep a newline at the end of the value')
    .option('--no-wait', 'do not wait until new workers serve with it')
    .addHelpText('after', setHelp)
    .allowExcessArguments()
    .action(async (reference: string, key: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<ChangeOptions>();
      if (command.args.length > 2) throw valueInArguments;
      const target = { ...parseLogSource(reference), name: checkSecretName(key) };
      const value = await readSecret({ name: target.name, keepNewline: options.keepNewline ?? false, terminal });
      await change(surroundings, 'set', options, target, { value });
    });
}

function registerRemove(secret: Command, surroundings: Surroundings): void {
  secret
    .command('remove')
    .description('remove a secret')
    .argument('<tenant[/app]>', 'whose it is: the tenant, or the app')
    .argument('<key>', 'its name')
    .option('--no-wait', 'do not wait until new workers serve without it')
    .addHelpText('after', '\nExample: tenantctl secret remove acme/site DATABASE_URL')
    .action(async (reference: string, key: string, _options: object, command: Command) => {
      const target = { ...parseLogSource(reference), name: checkSecretName(key) };
      await change(surroundings, 'remove', command.optsWithGlobals<ChangeOptions>(), target, {});
    });
}

async function change(
  surroundings: Surroundings,
  verb: 'set' | 'remove',
  { config, json, wait }: ChangeOptions,
  target: { tenant: string; app?: string; name: string },
  more: { value?: string },
): Promise<void> {
  const { terminal } = surroundings;
  const ask = () => callDaemon(surroundings, config, `secret-${verb}`, { ...target, wait, ...more }, timeoutMs);
  const result = (await withProgress(terminal, () => 'waiting for new workers', ask)) as SecretChangeResult;
  if (json) writeJson(terminal, { ...target, ...result });
  else terminal.writeOut(renderSecretChange(verb, target, result, layoutOf(surroundings)));
}

function registerList(secret: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  secret
    .command('list')
    .description('show names, and who set them when; never values')
    .argument('<tenant[/app]>', 'a tenant; or one of its apps: what that gets')
    .addHelpText('after', '\nExample: tenantctl secret list acme')
    .action(async (reference: string, _options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const target = parseLogSource(reference);
      const result = (await callDaemon(surroundings, config, 'secret-list', target)) as SecretListResult;
      if (json) writeJson(terminal, result);
      else terminal.writeOut(renderSecrets(target, result, layoutOf(surroundings)));
    });
}

function registerRotate(secret: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  secret
    .command('rotate')
    .description('replace the keys that secrets are kept with')
    .argument('[tenant]', "this tenant's data key (default: each tenant's)")
    .option('--machine-key', "the machine's key, which the tenants' keys are wrapped with")
    .addHelpText('after', rotateHelp)
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const { config, json, machineKey = false } = command.optsWithGlobals<GlobalOptions & { machineKey?: boolean }>();
      if (machineKey && name !== undefined) command.error("error: the machine's key is one for all tenants: name none");
      const method = machineKey ? 'machine-key-rotate' : 'secret-rotate';
      const params = name === undefined ? {} : { tenant: parseTenantName(name) };
      const result = await callDaemon(surroundings, config, method, params, timeoutMs);
      if (json) writeJson(terminal, result);
      else
        terminal.writeOut(
          machineKey ? renderMachineKeyRotation(result as MachineKeyRotateResult) : renderRotation(result as SecretRotateResult),
        );
    });
}
