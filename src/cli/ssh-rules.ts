import type { Command } from 'commander';
import { TenantdError } from '../base/errors.ts';

interface Rule {
  /** Of the command's own. Those that are not here are refused. */
  options?: readonly string[];
  /** Why these arguments are refused. */
  refuse?: (args: readonly string[], options: Record<string, unknown>) => string | undefined;
}

const nothing: Rule = {};

/**
 * What can be asked for over SSH: commands that open no file of this machine but standard input. A command or an option that is
 * new has to be put here to be one of them. What a token may do is the daemon's to say, not this list's.
 */
export const sshRules: Readonly<Record<string, Rule>> = {
  status: nothing,
  grants: nothing,
  logs: { options: ['access', 'follow', 'lines', 'since', 'until'] },
  audit: { options: ['tenant', 'actor', 'action', 'since', 'until', 'lines'] },
  faults: { options: ['since', 'most'] },
  usage: { options: ['month', 'byApp', 'byDay', 'byHour', 'csv'] },
  'plan show': { options: ['tenant'] },
  'tenant list': nothing,
  'app deploy': { options: ['wait'], refuse: ([, path]) => (path === '-' ? undefined : 'an archive comes by standard input') },
  'app restart': nothing,
  'app stop': nothing,
  'app start': nothing,
  'app scale': nothing,
  'app rollback': { options: ['to'] },
  'app releases': nothing,
  'domain list': nothing,
  'domain check': nothing,
  'domain add': { options: ['dryRun', 'from'], refuse: refuseFile },
  'domain remove': { options: ['dryRun', 'from'], refuse: refuseFile },
  'cert list': nothing,
  'cert renew': { options: ['force'] },
  'cert ca': { options: ['pem'] },
  'secret set': { options: ['keepNewline', 'wait'] },
  'secret list': nothing,
  'secret remove': { options: ['wait'] },
  'schedule list': nothing,
  'schedule run': { options: ['wait'] },
  'schedule history': { options: ['runs'] },
  'token create': { options: ['tenant', 'role', 'expires', 'name'] },
  'token list': { options: ['tenant'] },
  'token revoke': nothing,
  'proposal list': nothing,
  'proposal show': nothing,
  approve: { options: ['yes'] },
  deny: { options: ['reason'] },
  verify: { options: ['passive'] },
  shell: { options: ['secrets'] },
  exec: { options: ['secrets', 'tty'] },
};

/** Of a command that was just parsed, by the parser that will carry it out: nothing is read in two ways. Throws what is wrong with it. */
export function assertAllowedBySsh(command: Command): void {
  const path = pathOf(command);
  const rule = Object.hasOwn(sshRules, path) ? sshRules[path] : undefined;
  if (!rule) throw denied(`"${path}" can not be asked for over SSH`);
  for (const { name, of } of givenOptions(command))
    if (!(of === command ? (rule.options ?? []).includes(name) : name === 'json'))
      throw denied(`the option "${name}" can not be given over SSH`);
  const reason = rule.refuse?.(command.args, command.opts());
  if (reason !== undefined) throw denied(`${path}: ${reason}`);
}

/** On the command line: of the command, and of those that it is below. */
function givenOptions(command: Command): { name: string; of: Command }[] {
  const names = Object.keys(command.opts()).filter((name) => command.getOptionValueSource(name) === 'cli');
  return [...names.map((name) => ({ name, of: command })), ...(command.parent ? givenOptions(command.parent) : [])];
}

function pathOf(command: Command): string {
  if (!command.parent) return '';
  return `${pathOf(command.parent)} ${command.name()}`.trim();
}

function refuseFile(_args: readonly string[], { from }: Record<string, unknown>): string | undefined {
  return from === undefined || from === '-' ? undefined : 'names come by standard input: --from -';
}

function denied(message: string): TenantdError {
  return new TenantdError('TENANTD_E_DENIED', message, 'the README, "Tokens and roles", says what can');
}
