import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { TenantdError } from '../base/errors.ts';
import type { TenantMarkResult } from '../protocol/tenant-calls.ts';
import { askWithProgress } from './ask-with-progress.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { parseTenantName } from './references.ts';
import { describeMark } from './tenant-mark-text.ts';
import { writeJson } from './terminal.ts';

/** With --now: its apps may take their drain time, and its files are many. The daemon goes on also when nobody waits. */
const timeoutMs = 3_600_000;

const help = `
It is out of service at once. Its data is kept for a while ("removal.keepFor" in
tenantd.yaml, a week by default), and so are its domains: until then
"tenant resume" takes it back. With --now all of it is deleted, and can't be
had back; the tenant's name is asked for on a terminal.

Example: tenantctl tenant remove acme`;

interface RemoveOptions extends GlobalOptions {
  now?: boolean;
  yes?: boolean;
}

export function registerTenantRemove(tenant: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  tenant
    .command('remove')
    .description('take a tenant out of service, and delete it after a while')
    .argument('<name>', 'the tenant')
    .option('--now', 'delete it at once, data and all')
    .option('--yes', 'do not ask')
    .addHelpText('after', help)
    .action(async (name: string, _options: object, command: Command) => {
      const { config, json, now = false, yes = false } = command.optsWithGlobals<RemoveOptions>();
      const params = { tenant: parseTenantName(name), now };
      if (now && !yes) await confirm(params.tenant);
      const ask = { config, method: 'tenant-remove', params, timeoutMs, doing: `removing ${name}` };
      const result = (await askWithProgress(surroundings, ask)) as TenantMarkResult;
      if (json) writeJson(terminal, { ok: true, ...result });
      else
        terminal.writeOut(
          `${name}: ${result.mark ? describeMark(result.mark, surroundings.now()) : 'removed, and nothing of it is left'}\n`,
        );
    });
}

async function confirm(tenant: string): Promise<void> {
  const { stdin: input, stderr: output } = process;
  if (!input.isTTY) throw new TenantdError('TENANTD_E_USAGE', 'all data of the tenant would be deleted', 'say --yes, if that is meant');
  const lines = createInterface({ input, output });
  const answer = await lines.question(`All data of ${tenant} will be deleted. Its name, if that is meant: `).finally(() => lines.close());
  if (answer.trim() !== tenant) throw new TenantdError('TENANTD_E_USAGE', 'that is not its name', 'nothing was removed');
}
