import { type Command, Option } from 'commander';
import { TenantdError } from '../base/errors.ts';
import { parseDuration } from '../config/values.ts';
import {
  type TokenCreateResult,
  type TokenInfo,
  type TokenListResult,
  type TokenRevokeResult,
  tokenRoles,
} from '../protocol/token-calls.ts';
import { callDaemon } from './control-client.ts';
import { printable } from './printable.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { formatDistance, formatWhen } from './quantities.ts';
import { parseTenantName } from './references.ts';
import { layoutOf, type TextLayout, writeJson } from './terminal.ts';
import { renderTable } from './text-table.ts';

const maxLifetimeMs = 3_660 * 86_400_000;

const createHelp = `
The token is shown once, and kept nowhere. Whoever has it may do what its role
may, on this machine, until it expires or is revoked: as TENANTD_TOKEN, or in a
file named by --token-file that others can not read. Never put it into a command
line: everybody on the machine sees those.

viewer     sees everything of the tenant
deployer   also deploys, restarts and scales apps, and opens shells
admin      also changes domains and secrets, and makes tokens
agent      sees everything, and proposes changes for others to approve
operator   does everything root does, for all tenants

Example: tenantctl token create --tenant acme --role deployer --expires 30d`;

const revokeHelp = `
Everything that is open with it ends, and tokens that it made are revoked, too.

Example: tenantctl token revoke 7k2mq3`;

interface CreateOptions extends GlobalOptions {
  tenant?: string;
  role: string;
  expires?: string;
  name?: string;
}

export function registerToken(program: Command, surroundings: Surroundings): void {
  const token = program.command('token').description('let other people and programs use this machine, within a role');
  registerCreate(token, surroundings);
  registerList(token, surroundings);
  registerRevoke(token, surroundings);
}

function registerCreate(token: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  token
    .command('create')
    .description('make a token')
    .option('--tenant <tenant>', 'whose; without one only for role operator')
    .addOption(new Option('--role <role>', 'what it may do').choices(tokenRoles).makeOptionMandatory())
    .option('--expires <time>', 'for how long it holds, as 12h or 30d, or "never" (default: 90d)')
    .option('--name <name>', 'who has it, or what it is for')
    .addHelpText('after', createHelp)
    .action(async (_options: object, command: Command) => {
      const { config, json, role, tenant, expires, name } = command.optsWithGlobals<CreateOptions>();
      const params = {
        role,
        ...(tenant !== undefined && { tenant: parseTenantName(tenant) }),
        ...(expires !== undefined && { lifetimeMs: parseLifetime(expires) }),
        ...(name !== undefined && { name }),
      };
      const result = (await callDaemon(surroundings, config, 'token-create', params)) as TokenCreateResult;
      if (json) return writeJson(terminal, result);
      // The token alone on stdout: for a file.
      terminal.writeErr(`${describe(result, surroundings.now())}; this is the only time that it is shown:\n`);
      terminal.writeOut(`${result.token}\n`);
    });
}

function registerList(token: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  token
    .command('list')
    .description('show the tokens that there are, and those that ended')
    .option('--tenant <tenant>', "this tenant's (default: all that you may see)")
    .addHelpText('after', '\nWhat a token is, is not shown again: only its id.\n\nExample: tenantctl token list --tenant acme')
    .action(async (_options: object, command: Command) => {
      const { config, json, tenant } = command.optsWithGlobals<CreateOptions>();
      const params = tenant === undefined ? {} : { tenant: parseTenantName(tenant) };
      const result = (await callDaemon(surroundings, config, 'token-list', params)) as TokenListResult;
      if (json) writeJson(terminal, result);
      else terminal.writeOut(renderTokens(result.tokens, layoutOf(surroundings)));
    });
}

function registerRevoke(token: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  token
    .command('revoke')
    .description('end a token, and all that is open with it')
    .argument('<id>', 'its id: the six characters after "tenantd_"')
    .addHelpText('after', revokeHelp)
    .action(async (id: string, _options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const result = (await callDaemon(surroundings, config, 'token-revoke', { id: parseId(id) })) as TokenRevokeResult;
      if (json) writeJson(terminal, result);
      else terminal.writeOut(renderRevoked(id, result));
    });
}

function parseLifetime(text: string): number | 'never' {
  if (text === 'never') return text;
  const parsed = parseDuration(text, maxLifetimeMs);
  if ('value' in parsed) return parsed.value;
  throw new TenantdError('TENANTD_E_USAGE', `--expires ${parsed.fault.message}`, `${parsed.fault.fix}, or "never"`);
}

/** Somebody may give the whole token, which would then be told on. */
function parseId(text: string): string {
  if (/^[a-z0-9]{6}$/.test(text)) return text;
  throw new TenantdError(
    'TENANTD_E_USAGE',
    "a token's id has six characters",
    'see tenantctl token list; never give a token itself as an argument',
  );
}

function describe({ id, tenant, role, expiresAt }: TokenInfo, nowMs: number): string {
  const whose = tenant === '' ? role : `${role} of ${tenant}`;
  return `token ${id}, ${whose}, ${expiresAt === undefined ? 'which never expires' : `expires ${formatWhen(Date.parse(expiresAt), nowMs)}`}`;
}

export function renderTokens(tokens: readonly TokenInfo[], { width, paint, nowMs }: TextLayout): string {
  if (tokens.length === 0) return 'There are no tokens: tenantctl token create makes one.\n';
  const rows = tokens.map((token) => ({
    cells: [
      token.id,
      token.tenant === '' ? '-' : printable(token.tenant),
      token.role,
      printable(token.name),
      endOf(token, nowMs),
      token.lastUsedAt === undefined ? 'never' : formatDistance(Date.parse(token.lastUsedAt), nowMs),
    ],
  }));
  return `${renderTable(['ID', 'TENANT', 'ROLE', 'NAME', 'EXPIRES', 'USED'], rows, { width, paint, indent: '' }).join('\n')}\n`;
}

function endOf({ revokedAt, expiresAt }: TokenInfo, nowMs: number): string {
  if (revokedAt !== undefined) return 'revoked';
  if (expiresAt === undefined) return 'never';
  return Date.parse(expiresAt) <= nowMs ? 'expired' : formatDistance(Date.parse(expiresAt), nowMs);
}

function renderRevoked(id: string, { revoked }: TokenRevokeResult): string {
  const others = revoked.filter((other) => other !== id);
  if (revoked.length === 0) return `token ${id} was revoked before\n`;
  return `token ${id} is revoked${others.length === 0 ? '' : `, and those that it made: ${others.join(', ')}`}\n`;
}
