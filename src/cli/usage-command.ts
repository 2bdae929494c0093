import { type Command, Option } from 'commander';
import { TenantdError } from '../base/errors.ts';
import type { UsageResult, UsageRow } from '../protocol/usage-calls.ts';
import { connectDaemon } from './control-client.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { parseTenantName } from './references.ts';
import { writeJson } from './terminal.ts';
import { renderUsageCsv } from './usage-csv.ts';
import { renderUsage } from './usage-text.ts';

interface UsageOptions extends GlobalOptions {
  month?: string;
  byApp?: boolean;
  byDay?: boolean;
  byHour?: boolean;
  csv?: boolean;
}

const help = `
Months, days and hours are those of UTC. What is bytes is bodies: without
heads, and without TLS. MEMORY and DISK are GiB hours: one GiB for an hour.
Rows of no app are what a tenant used outside of its apps.

Example: tenantctl usage --month 2026-03 --by-app --csv > march.csv`;

export function registerUsage(program: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  program
    .command('usage')
    .description('show what tenants used: requests, bytes, processor, memory, disk')
    .argument('[tenant]', 'this tenant alone')
    .option('--month <YYYY-MM>', 'that month; default: the present one')
    .option('--by-app', 'a row for each app')
    .addOption(new Option('--by-day', 'a row for each day').conflicts('byHour'))
    .option('--by-hour', 'a row for each hour')
    .option('--csv', 'print CSV, as spreadsheets and programs read it')
    .addHelpText('after', help)
    .action(async (tenant: string | undefined, _options: object, command: Command) => {
      const options = command.optsWithGlobals<UsageOptions>();
      const result = await readUsage(surroundings, options, tenant);
      if (options.json) writeJson(terminal, result);
      else if (options.csv) terminal.writeOut(renderUsageCsv(result.rows));
      else terminal.writeOut(renderUsage(result, { ...options, width: terminal.width, paint: terminal.paint }));
    });
}

/** Page by page. */
async function readUsage(surroundings: Surroundings, options: UsageOptions, tenant: string | undefined): Promise<UsageResult> {
  const params = {
    ...(tenant !== undefined && { tenant: parseTenantName(tenant) }),
    ...(options.month !== undefined && { month: parseMonth(options.month) }),
    by: options.byHour ? 'hour' : options.byDay ? 'day' : 'month',
    byApp: options.byApp === true,
  };
  const channel = await connectDaemon(surroundings, options.config, {});
  const rows: UsageRow[] = [];
  try {
    for (let after: UsageResult['next']; ;) {
      const page = (await channel.request('usage', { ...params, ...(after && { after }) })) as UsageResult;
      for (const row of page.rows) rows.push(row);
      after = page.next;
      if (!after) return { month: page.month, rows };
    }
  } finally {
    channel.close();
  }
}

function parseMonth(text: string): string {
  if (/^(19[7-9]\d|[2-9]\d{3})-(0[1-9]|1[0-2])$/.test(text)) return text;
  throw new TenantdError('TENANTD_E_USAGE', `${JSON.stringify(text)} is not a month`, 'write it like 2026-03');
}
