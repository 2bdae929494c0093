import type { Command } from 'commander';
import { TenantdError } from '../base/errors.ts';
import type { TenantCreateResult } from '../protocol/tenant-calls.ts';
import { askWithProgress } from './ask-with-progress.ts';
import { printable } from './printable.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { writeJson } from './terminal.ts';

/** Answered when its apps serve: they may take their whole start time. */
const timeoutMs = 180_000;

const help = `
Nothing is made when something is wrong: the name is taken, or a domain, say.
Without --template the tenant has no app yet: tenantctl app deploy makes one.

Example: tenantctl tenant create acme --domain acme.example \\
           --domain "*.acme.example" --plan starter \\
           --template site --set title=Acme`;

interface CreateOptions extends GlobalOptions {
  domain: string[];
  plan?: string;
  template?: string;
  set?: string[];
}

export function registerTenantCreate(tenant: Command, surroundings: Surroundings): void {
  tenant
    .command('create')
    .description('make a tenant, and wait until it is in service')
    .argument('<name>', 'its name: a-z, 0-9 and "-", a letter first')
    .requiredOption('--domain <domain...>', 'its domains; "*.example.com" takes all names below it')
    .option('--plan <plan>', 'one of tenantd.yaml; else the default')
    .option('--template <template>', 'what its files are made from; see tenantctl template list')
    .option('--set <key=value...>', 'what the template asks for')
    .addHelpText('after', help)
    .action(async (name: string, _options: object, command: Command) => {
      const { config, json, domain, plan, template, set } = command.optsWithGlobals<CreateOptions>();
      const params = {
        ...{ tenant: name, domains: domain },
        ...(plan !== undefined && { plan }),
        ...(template !== undefined && { template }),
        ...(set && { set: parseSettings(set) }),
      };
      const ask = { config, method: 'tenant-create', params, timeoutMs, doing: `creating ${name}` };
      const result = (await askWithProgress(surroundings, ask)) as TenantCreateResult;
      if (json) writeJson(surroundings.terminal, result);
      else surroundings.terminal.writeOut(renderCreated(result));
    });
}

export function parseSettings(settings: readonly string[]): Record<string, string> {
  const entries = settings.map((setting) => {
    const at = setting.indexOf('=');
    if (at > 0) return [setting.slice(0, at), setting.slice(at + 1)] as const;
    throw new TenantdError('TENANTD_E_USAGE', `${JSON.stringify(setting)} is not KEY=VALUE`, 'give it as in --set title=Acme');
  });
  return Object.fromEntries(entries);
}

function renderCreated({ tenant, plan, domains, urls, folder, tookMs }: TenantCreateResult): string {
  const places = urls.length > 0 ? urls.map((url) => `  ${printable(url)}`) : domains.map((domain) => `  ${printable(domain)}, no app yet`);
  return [`${tenant}: created with plan ${plan} in ${tookMs} ms, ${printable(folder)}`, ...places].join('\n') + '\n';
}
