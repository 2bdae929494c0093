import type { Command } from 'commander';
import type { NameStatus } from '../protocol/certs.ts';
import type { CertCaResult, CertListResult, CertRenewResult } from '../protocol/certificate-calls.ts';
import { renderCertificates } from './certificate-text.ts';
import { callDaemon, connectDaemon } from './control-client.ts';
import { renderLocalCa } from './local-ca-text.ts';
import { printable } from './printable.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { formatCount } from './quantities.ts';
import { parseDomain, parseTenantName } from './references.ts';
import { layoutOf, writeJson } from './terminal.ts';
import { wrapText } from './wrap-text.ts';

export function registerCert(program: Command, surroundings: Surroundings): void {
  const cert = program.command('cert').description('list or renew certificates, or trust the local CA');
  registerList(cert, surroundings);
  registerRenew(cert, surroundings);
  registerCa(cert, surroundings);
}

function registerList(cert: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  cert
    .command('list')
    .description('show names, issuers, expiry, next try and last error')
    .argument('[tenant]', 'this tenant only')
    .addHelpText(
      'after',
      '\nNames that a certificate of a tenant\'s own covers are not listed:\n"tenantctl domain list" shows them.\n\nExample: tenantctl cert list acme',
    )
    .action(async (tenant: string | undefined, _options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const names = await listCertificates(surroundings, config, tenant === undefined ? {} : { tenant: parseTenantName(tenant) });
      if (json) return writeJson(terminal, { names });
      terminal.writeOut(renderCertificates(names, layoutOf(surroundings)));
    });
}

async function listCertificates(surroundings: Surroundings, config: string, params: { tenant?: string }): Promise<NameStatus[]> {
  const names: NameStatus[] = [];
  const channel = await connectDaemon(surroundings, config, {});
  try {
    for (let after: string | undefined; ;) {
      const page = (await channel.request('cert-list', { ...params, ...(after !== undefined && { after }) })) as CertListResult;
      names.push(...page.names);
      if (page.next === undefined) return names;
      after = page.next;
    }
  } finally {
    channel.close();
  }
}

function registerRenew(cert: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  cert
    .command('renew')
    .description('try now what failed or was set aside')
    .argument('<tenant>', 'the tenant')
    .argument('[name]', 'one of its names (default: all)')
    .option('--force', 'renew certificates that are fine, too')
    .addHelpText(
      'after',
      '\nBudgets of orders hold all the same. "tenantctl cert list" shows how it goes.\n\nExample: tenantctl cert renew acme shop.example.com',
    )
    .action(async (tenant: string, name: string | undefined, _options: object, command: Command) => {
      const { config, json, force = false } = command.optsWithGlobals<GlobalOptions & { force?: boolean }>();
      const params = { tenant: parseTenantName(tenant), ...(name !== undefined && { name: parseDomain(name) }), force };
      const result = (await callDaemon(surroundings, config, 'cert-renew', params)) as CertRenewResult;
      if (json) writeJson(terminal, result);
      else terminal.writeOut(`${renderRenewal(result, terminal.width).join('\n')}\n`);
    });
}

function renderRenewal({ names }: CertRenewResult, width: number): string[] {
  if (names.length === 0)
    return wrapText('nothing to try: no name failed or was set aside; --force renews those that are fine, too', width);
  return [`${formatCount(names.length, 'name')} tried now:`, ...names.map((name) => `  ${printable(name)}`)];
}

function registerCa(cert: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  cert
    .command('ca')
    .description("print the local CA's path and how to trust it")
    .option('--pem', 'print its root certificate alone')
    .addHelpText('after', '\nExample: tenantctl cert ca --pem > tenantd-local-ca.pem')
    .action(async (_options: object, command: Command) => {
      const { config, json, pem } = command.optsWithGlobals<GlobalOptions & { pem?: boolean }>();
      const result = (await callDaemon(surroundings, config, 'cert-ca', {})) as CertCaResult;
      if (json) return writeJson(terminal, result);
      if (pem) return terminal.writeOut(`${result.certificate.trimEnd()}\n`);
      terminal.writeOut(renderLocalCa(result, layoutOf(surroundings)));
    });
}
