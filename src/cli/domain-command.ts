import type { Command } from 'commander';
import type { DomainCheckResult, DomainListResult } from '../protocol/certificate-calls.ts';
import { callDaemon } from './control-client.ts';
import { registerDomainChange } from './domain-change-command.ts';
import { renderCheck, renderDomains } from './domain-text.ts';
import type { GlobalOptions, SetExitCode, Surroundings } from './program.ts';
import { withProgress } from './progress.ts';
import { parseDomain, parseTenantName } from './references.ts';
import { layoutOf, writeJson } from './terminal.ts';

/** The daemon asks the DNS meanwhile. */
const checkTimeoutMs = 45_000;

export function registerDomain(program: Command, surroundings: Surroundings, setExitCode: SetExitCode): void {
  const domain = program.command('domain').description('list, add, remove or check domains of tenants');
  registerList(domain, surroundings);
  registerDomainChange(domain, 'add', surroundings, setExitCode);
  registerDomainChange(domain, 'remove', surroundings, setExitCode);
  registerCheckName(domain, surroundings);
}

function registerList(domain: Command, surroundings: Surroundings): void {
  domain
    .command('list')
    .description('show domains and how their certificates stand')
    .argument('[tenant]', 'this tenant only')
    .addHelpText('after', '\nExample: tenantctl domain list acme')
    .action(async (tenant: string | undefined, _options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const params = tenant === undefined ? {} : { tenant: parseTenantName(tenant) };
      const result = (await callDaemon(surroundings, config, 'domain-list', params)) as DomainListResult;
      if (json) writeJson(surroundings.terminal, result);
      else surroundings.terminal.writeOut(renderDomains(result.domains, layoutOf(surroundings)));
    });
}

function registerCheckName(domain: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  domain
    .command('check')
    .description('show the DNS records expected and found, and why there is no certificate yet')
    .argument('<name>', 'the domain, of a tenant or not')
    .addHelpText('after', '\nExample: tenantctl domain check shop.example.com')
    .action(async (text: string, _options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const name = parseDomain(text);
      const ask = () => callDaemon(surroundings, config, 'domain-check', { name }, checkTimeoutMs);
      const result = (await withProgress(terminal, () => `asking the DNS about ${name}`, ask)) as DomainCheckResult;
      if (json) writeJson(terminal, result);
      else terminal.writeOut(renderCheck(result, layoutOf(surroundings)));
    });
}
