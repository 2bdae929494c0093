import type { Command } from 'commander';
import { messageOf } from '../base/errors.ts';
import type { Channel } from '../protocol/channel.ts';
import type { DomainChangeResult } from '../protocol/certificate-calls.ts';
import { changeDomains } from './change-domains.ts';
import { connectDaemon } from './control-client.ts';
import { findRecordsToSet, type RecordsToSet } from './dns-records.ts';
import { renderChange, renderRecordsToSet } from './domain-change-text.ts';
import { printable } from './printable.ts';
import type { GlobalOptions, SetExitCode, Surroundings } from './program.ts';
import { withProgress } from './progress.ts';
import { readNames } from './read-names.ts';
import { parseTenantName } from './references.ts';
import { layoutOf, writeJson } from './terminal.ts';

const kinds = {
  add: {
    description: 'add domains to a tenant, and print the DNS records to set',
    nameHelp: 'a host name; "*.example.com" takes all names below it',
    changed: { key: 'added', words: 'added', dryWords: 'would be added' },
    unchanged: { key: 'alreadyThere', words: 'there already' },
  },
  remove: {
    description: 'take domains from a tenant',
    nameHelp: 'a domain as the tenant has it',
    changed: { key: 'removed', words: 'removed', dryWords: 'would be removed' },
    unchanged: { key: 'notThere', words: 'not there' },
  },
} as const;

const help = `
FILE has one name a line; "#" begins a comment. Up to 1,000 names are done
together or not at all; of more, each 1,000. tenant.yaml is edited; it keeps
its comments.`;

interface ChangeOptions extends GlobalOptions {
  from?: string;
  dryRun?: boolean;
}

/** The daemon asks the DNS meanwhile. */
const recordsTimeoutMs = 45_000;

export function registerDomainChange(
  domain: Command,
  kind: keyof typeof kinds,
  surroundings: Surroundings,
  setExitCode: SetExitCode,
): void {
  const { description, nameHelp } = kinds[kind];
  domain
    .command(kind)
    .description(description)
    .argument('<tenant>', 'the tenant')
    .argument('[name...]', nameHelp)
    .option('--from <file>', 'take the names in this file, too; - for stdin')
    .option('--dry-run', 'say what would be done, and what would be wrong (exit code 1)')
    .addHelpText('after', `${help}\n\nExample: tenantctl domain ${kind} acme shop.example.com`)
    .action(async (tenant: string, args: string[], _options: object, command: Command) => {
      const { config, json = false, from, dryRun = false } = command.optsWithGlobals<ChangeOptions>();
      const change = { method: `domain-${kind}`, tenant: parseTenantName(tenant), names: await readNames(args, from), dryRun } as const;
      const channel = await connectDaemon(surroundings, config, {});
      try {
        const result = await changeDomains(channel, change, surroundings.terminal);
        if (dryRun && result.problems.length > 0) setExitCode(1);
        const toSet = kind === 'add' ? await askForRecords(channel, result, surroundings) : undefined;
        report({ kind, tenant: change.tenant, dryRun, json, result, toSet }, surroundings);
      } finally {
        channel.close();
      }
    });
}

/** The domains are added by then: that the records can't be told is no failure. */
async function askForRecords(
  channel: Channel,
  { changed, unchanged }: DomainChangeResult,
  { terminal }: Surroundings,
): Promise<RecordsToSet | undefined> {
  try {
    const ask = () => findRecordsToSet(channel, [...changed, ...unchanged], recordsTimeoutMs);
    return await withProgress(terminal, () => 'asking which DNS records they need', ask);
  } catch (error) {
    terminal.writeErr(`tenantctl: which DNS records to set is not known: ${printable(messageOf(error))}\n`);
    return undefined;
  }
}

interface Outcome {
  kind: keyof typeof kinds;
  tenant: string;
  dryRun: boolean;
  json: boolean;
  result: DomainChangeResult;
  toSet: RecordsToSet | undefined;
}

function report({ kind, tenant, dryRun, json, result, toSet }: Outcome, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  const { changed, unchanged } = kinds[kind];
  if (json) {
    const named = { [changed.key]: result.changed, [unchanged.key]: result.unchanged, problems: result.problems };
    return writeJson(terminal, { tenant, ...(dryRun && { dryRun }), ...named, ...toSet });
  }
  const layout = layoutOf(surroundings);
  const words = { tenant, done: dryRun ? changed.dryWords : changed.words, before: unchanged.words };
  const records = toSet ? renderRecordsToSet(toSet, layout) : [];
  terminal.writeOut(`${[...renderChange(result, words, layout), ...records].join('\n')}\n`);
}
