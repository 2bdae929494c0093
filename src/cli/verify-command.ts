import type { Command } from 'commander';
import type { VerifyProgressEvent, VerifyResult } from '../protocol/verify.ts';
import { connectDaemon } from './control-client.ts';
import type { GlobalOptions, SetExitCode, Surroundings } from './program.ts';
import { withProgress } from './progress.ts';
import { parseTenantName } from './references.ts';
import { layoutOf, writeJson } from './terminal.ts';
import { writeReports } from './verify-report.ts';
import { renderVerify } from './verify-text.ts';

/** Attacks out of every sandbox of many tenants take their time. */
const timeLimitMs = 30 * 60_000;

interface Options extends GlobalOptions {
  passive?: boolean;
  report?: string;
}

export function registerVerify(program: Command, surroundings: Surroundings, setExitCode: SetExitCode): void {
  const { terminal } = surroundings;
  program
    .command('verify')
    .description('prove the isolation of what runs now')
    .argument('[tenant]', 'this tenant only')
    .option('--passive', 'read back only: no attacks from inside')
    .option('--report <dir>', 'write a dated report of each tenant there')
    .addHelpText(
      'after',
      '\nReads what isolates each running process back from the kernel, and tries to\nbreak out of sandboxes made like theirs. Exit code 1 when anything is not as\npromised.\n\nExample: tenantctl verify acme --report /var/lib/evidence',
    )
    .action(async (tenant: string | undefined, _options: object, command: Command) => {
      const { config, json, passive = false, report } = command.optsWithGlobals<Options>();
      const params = { passive, ...(tenant !== undefined && { tenant: parseTenantName(tenant) }) };
      const result = await verify(surroundings, config, params);
      const written = report === undefined ? [] : await writeReports(report, result);
      if (json) writeJson(terminal, result);
      else terminal.writeOut(renderVerify(result, layoutOf(surroundings)));
      for (const file of written) terminal.writeErr(`tenantctl: wrote ${file}\n`);
      if (!result.ok) setExitCode(1);
    });
}

async function verify(surroundings: Surroundings, config: string, params: object): Promise<VerifyResult> {
  let text = 'reading back what isolates each process';
  const handlers = {
    'verify-progress': (event: unknown) => {
      const { done, total } = event as VerifyProgressEvent;
      text = `attacking from inside: ${done} of ${total} sandboxes`;
    },
  };
  const channel = await connectDaemon(surroundings, config, handlers);
  try {
    return await withProgress(
      surroundings.terminal,
      () => text,
      async () => (await channel.request('verify', params, timeLimitMs)) as VerifyResult,
    );
  } finally {
    channel.close();
  }
}
