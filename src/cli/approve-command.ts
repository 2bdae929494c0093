import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { TenantdError } from '../base/errors.ts';
import type { ProposalApproveResult, ProposalInfo, ProposalShowResult } from '../protocol/proposal-calls.ts';
import { callDaemon } from './control-client.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { withProgress } from './progress.ts';
import { parseProposalId, showTimeoutMs } from './proposal-command.ts';
import { renderProposal } from './proposal-text.ts';
import { layoutOf, writeJson } from './terminal.ts';

const approveHelp = `
What would change is shown first; on a terminal you are asked. It is carried out
as if you had asked for it yourself, once: what fails has to be proposed again.
The audit trail has both names.

Example: tenantctl approve k3j2h9`;

export function registerApprove(program: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  program
    .command('approve')
    .description('carry out what an agent proposed')
    .argument('<id>', 'the id of the proposal')
    .option('--yes', 'do not ask')
    .addHelpText('after', approveHelp)
    .action(async (text: string, _options: object, command: Command) => {
      const { config, json = false, yes = false } = command.optsWithGlobals<GlobalOptions & { yes?: boolean }>();
      const id = parseProposalId(text);
      if (!json) {
        const shown = (await callDaemon(surroundings, config, 'proposal-show', { id }, showTimeoutMs)) as ProposalShowResult;
        terminal.writeOut(renderProposal(shown, layoutOf(surroundings)));
        if (!yes && shown.change) await confirm();
      }
      const ask = () => callDaemon(surroundings, config, 'proposal-approve', { id }, showTimeoutMs);
      const result = (await withProgress(terminal, () => 'carrying it out', ask)) as ProposalApproveResult;
      if (json) writeJson(terminal, result);
      else terminal.writeOut(`${id}: approved, and done\n`);
    });
}

export function registerDeny(program: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  program
    .command('deny')
    .description('say no to what an agent proposed')
    .argument('<id>', 'the id of the proposal')
    .option('--reason <text>', 'why: whoever proposed it can read it')
    .addHelpText('after', '\nA release that was made for it is removed.\n\nExample: tenantctl deny k3j2h9 --reason "not on a Friday"')
    .action(async (text: string, _options: object, command: Command) => {
      const { config, json, reason } = command.optsWithGlobals<GlobalOptions & { reason?: string }>();
      const params = { id: parseProposalId(text), ...(reason !== undefined && { reason }) };
      const result = (await callDaemon(surroundings, config, 'proposal-deny', params, showTimeoutMs)) as ProposalInfo;
      if (json) writeJson(terminal, result);
      else terminal.writeOut(`${params.id}: denied\n`);
    });
}

async function confirm(): Promise<void> {
  const { stdin: input, stderr: output } = process;
  if (!input.isTTY) return;
  const lines = createInterface({ input, output });
  const answer = await lines.question('Approve it? [y/N] ').finally(() => lines.close());
  if (!/^y(es)?$/i.test(answer.trim())) throw new TenantdError('TENANTD_E_USAGE', 'it was not approved', 'it still waits');
}
