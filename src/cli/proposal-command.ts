import type { Command } from 'commander';
import { TenantdError } from '../base/errors.ts';
import type { ProposalListResult, ProposalShowResult } from '../protocol/proposal-calls.ts';
import { callDaemon } from './control-client.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { renderProposal, renderProposals } from './proposal-text.ts';
import { parseTenantName } from './references.ts';
import { layoutOf, writeJson } from './terminal.ts';

/** Two releases are compared, file by file. */
export const showTimeoutMs = 900_000;

export function registerProposal(program: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  const proposal = program.command('proposal').description('show what tokens of role agent ask for');
  proposal
    .command('list')
    .description('show what waits, and what became of what did')
    .argument('[tenant]', 'this tenant only')
    .addHelpText('after', '\nWhat nobody decides on within a week is over.\n\nExample: tenantctl proposal list acme')
    .action(async (tenant: string | undefined, _options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const params = tenant === undefined ? {} : { tenant: parseTenantName(tenant) };
      const result = (await callDaemon(surroundings, config, 'proposal-list', params)) as ProposalListResult;
      if (json) writeJson(terminal, result);
      else terminal.writeOut(renderProposals(result.proposals, layoutOf(surroundings)));
    });
  proposal
    .command('show')
    .description('show one, and what it would change')
    .argument('<id>', 'its id')
    .addHelpText('after', '\nOf a deploy: the files that differ from those that serve.\n\nExample: tenantctl proposal show k3j2h9')
    .action(async (id: string, _options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const result = (await callDaemon(
        surroundings,
        config,
        'proposal-show',
        { id: parseProposalId(id) },
        showTimeoutMs,
      )) as ProposalShowResult;
      if (json) writeJson(terminal, result);
      else terminal.writeOut(renderProposal(result, layoutOf(surroundings)));
    });
}

export function parseProposalId(text: string): string {
  if (/^[a-z0-9]{6}$/.test(text)) return text;
  throw new TenantdError('TENANTD_E_NO_SUCH_PROPOSAL', `there is no proposal ${JSON.stringify(text)}`, 'see tenantctl proposal list');
}
