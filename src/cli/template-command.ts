import type { Command } from 'commander';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { Channel } from '../protocol/channel.ts';
import type { TemplateApplyResult, TemplateListResult } from '../protocol/template-calls.ts';
import { askYes } from './ask-yes.ts';
import { callDaemon, connectDaemon } from './control-client.ts';
import { toTenantdError } from './error-report.ts';
import { printable } from './printable.ts';
import type { GlobalOptions, SetExitCode, Surroundings } from './program.ts';
import { withProgress } from './progress.ts';
import { formatCount } from './quantities.ts';
import { parseTenantName } from './references.ts';
import { isEffective, renderChanges, renderTemplates } from './template-text.ts';
import { parseSettings } from './tenant-create-command.ts';
import { layoutOf, writeJson } from './terminal.ts';

/** Of one tenant: its apps may take their whole start time. */
const timeoutMs = 600_000;

const help = `
Shows what changes, and asks before it does anything. Files that were changed
by hand since are left alone, and shown as conflicts; what was changed in
tenant.yaml is merged, key by key. Apps that were deployed since keep their
releases. A tenant is changed whole or not at all; where an app does not come
to serve, its tenant is put back, and those after it are not begun.

Example: tenantctl template apply static --all --dry-run`;

interface ApplyOptions extends GlobalOptions {
  all?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  force?: boolean;
  keepGoing?: boolean;
  set?: string[];
}

export function registerTemplate(program: Command, surroundings: Surroundings, setExitCode: SetExitCode): void {
  const template = program.command('template').description('show templates of tenants, and bring tenants up to date with theirs');
  registerList(template, surroundings);
  registerApply(template, surroundings, setExitCode);
}

function registerList(template: Command, surroundings: Surroundings): void {
  template
    .command('list')
    .description('show the templates: what they ask for, and which tenants were made from them')
    .addHelpText('after', '\nExample: tenantctl template list')
    .action(async (_options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const result = (await callDaemon(surroundings, config, 'template-list', {})) as TemplateListResult;
      if (json) writeJson(surroundings.terminal, result);
      else surroundings.terminal.writeOut(renderTemplates(result, layoutOf(surroundings)));
    });
}

function registerApply(template: Command, surroundings: Surroundings, setExitCode: SetExitCode): void {
  template
    .command('apply')
    .description('change tenants as their template has changed since they were made')
    .argument('<template>', 'the template')
    .argument('[tenant]', 'a tenant that was made from it')
    .option('--all', 'all tenants that were made from it')
    .option('--dry-run', 'show what would change')
    .option('--yes', 'do not ask')
    .option('--force', 'overwrite what was changed by hand, too')
    .option('--keep-going', 'go on with the next tenant when one fails')
    .option('--set <key=value...>', 'another value of a variable than the one it was made with')
    .addHelpText('after', help)
    .action(async (name: string, tenant: string | undefined, _options: object, command: Command) => {
      const options = command.optsWithGlobals<ApplyOptions>();
      if ((tenant === undefined) === (options.all !== true))
        throw new TenantdError('TENANTD_E_USAGE', 'name one tenant, or say --all', help.trim());
      const channel = await connectDaemon(surroundings, options.config, {});
      try {
        const run = createRun(channel, surroundings, name, options);
        const tenants = tenant === undefined ? await run.findTenants() : [parseTenantName(tenant)];
        setExitCode(await run.apply(tenants));
      } finally {
        channel.close();
      }
    });
}

interface Failure {
  tenant: string;
  error: TenantdError;
}

/** What became of each tenant, in order. */
interface Outcome {
  done: TemplateApplyResult[];
  failed: Failure[];
  left: string[];
}

function createRun(channel: Channel, surroundings: Surroundings, template: string, options: ApplyOptions) {
  const { terminal } = surroundings;
  const { json = false, dryRun = false, force = false, keepGoing = false } = options;
  const set = options.set && { set: parseSettings(options.set) };

  async function ask(tenant: string, more: object): Promise<TemplateApplyResult> {
    return (await channel.request('template-apply', { template, tenant, force, ...set, ...more }, timeoutMs)) as TemplateApplyResult;
  }

  async function findTenants(): Promise<string[]> {
    const { templates } = (await channel.request('template-list', {})) as TemplateListResult;
    const found = templates.find(({ name }) => name === template);
    if (found) return found.tenants;
    throw new TenantdError('TENANTD_E_NO_SUCH_TEMPLATE', `there is no template ${JSON.stringify(template)}`, 'tenantctl template list');
  }

  /** One after the other; what fails ends it, unless it is to go on. */
  async function each(tenants: readonly string[], doing: string, work: (tenant: string) => Promise<TemplateApplyResult>): Promise<Outcome> {
    const outcome: Outcome = { done: [], failed: [], left: [] };
    for (const [index, tenant] of tenants.entries()) {
      try {
        const text = (): string => `${doing} ${tenant} (${index + 1} of ${tenants.length})`;
        outcome.done.push(await withProgress(terminal, text, () => work(tenant)));
      } catch (error) {
        outcome.failed.push({ tenant, error: toTenantdError(error) });
        if (keepGoing && toTenantdError(error).code !== 'TENANTD_E_UNREACHABLE') continue;
        outcome.left = tenants.slice(index + 1);
        break;
      }
    }
    return outcome;
  }

  async function apply(tenants: readonly string[]): Promise<number> {
    const looked = await each(tenants, 'looking at', (tenant) => ask(tenant, { dryRun: true }));
    const [first] = looked.failed;
    if (first && !keepGoing) throw naming(first, 'nothing was changed');
    if (!json) terminal.writeOut(renderChanges(looked.done, layoutOf(surroundings)));
    const wanted = looked.done.filter(isEffective);
    const mayGoOn = !dryRun && wanted.length > 0 ? await isAgreed(wanted.length) : false;
    if (!mayGoOn) return report({ ...looked, left: [] }, { refused: !dryRun && wanted.length > 0 });
    const digests = new Map(wanted.map(({ tenant, digest }) => [tenant, digest]));
    const outcome = await each([...digests.keys()], 'changing', (tenant) => ask(tenant, { dryRun: false, digest: digests.get(tenant) }));
    return report({ ...outcome, failed: [...looked.failed, ...outcome.failed] }, { refused: false });
  }

  async function isAgreed(count: number): Promise<boolean> {
    if (options.yes) return true;
    return (!json && (await askYes(surroundings.session(), `Change ${formatCount(count, 'tenant')}?`))) || false;
  }

  function report({ done, failed, left }: Outcome, { refused }: { refused: boolean }): number {
    if (json) {
      const faults = failed.map(({ tenant, error: { code, message, fix } }) => ({ tenant, error: { code, message, fix } }));
      writeJson(terminal, { template, applied: done.some(({ applied }) => applied), tenants: done, failed: faults, left });
    } else {
      for (const { tenant } of done.filter(({ applied }) => applied)) terminal.writeOut(`${tenant}: done\n`);
    }
    for (const { tenant, error } of failed)
      terminal.writeErr(`tenantctl: ${tenant}: ${printable(messageOf(error))} (${error.code})\n  fix: ${printable(error.fix)}\n`);
    if (left.length > 0) terminal.writeErr(`tenantctl: not begun: ${left.join(', ')}\n`);
    if (refused) terminal.writeErr('tenantctl: nothing was changed; --yes does it\n');
    return failed.length > 0 || refused ? 1 : 0;
  }

  return { findTenants, apply };
}

function naming({ tenant, error }: Failure, what: string): TenantdError {
  return new TenantdError(error.code, `${tenant}: ${error.message}; ${what}`, error.fix, { cause: error });
}
