import type { FileChanges, ProposalInfo, ProposalShowResult } from '../protocol/proposal-calls.ts';
import { printable } from './printable.ts';
import { renderProblem } from './problem-text.ts';
import { formatCount, formatDistance } from './quantities.ts';
import type { Paint, TextLayout } from './terminal.ts';
import { renderTable } from './text-table.ts';
import { wrapText } from './wrap-text.ts';

const shownNames = 40;
const stateColumn = 3;
const indent = '  ';

export function renderProposals(proposals: readonly ProposalInfo[], { width, paint, nowMs }: TextLayout): string {
  if (proposals.length === 0) return 'There are no proposals: tokens of role agent make them.\n';
  const rows = proposals.map((proposal) => ({
    cells: [
      proposal.id,
      printable(targetOf(proposal)),
      proposal.call,
      proposal.state,
      formatDistance(Date.parse(proposal.proposedAt), nowMs),
    ],
    paintCell: (text: string, column: number) => (column === stateColumn && text === 'open' ? paint('bold', text) : text),
    details: [...wrapText(`by ${printable(proposal.proposedBy)}${printable(decisionOf(proposal))}`, width, indent)],
  }));
  return `${renderTable(['ID', 'OF', 'CALL', 'STATE', 'MADE'], rows, { width, paint, indent: '' }).join('\n')}\n`;
}

/** What it is, and what would change. */
export function renderProposal({ proposal, change }: ProposalShowResult, { width, paint, nowMs }: TextLayout): string {
  const lines = [
    paint('bold', `${proposal.id}  ${proposal.call} ${printable(targetOf(proposal))}`),
    ...wrapText(`proposed ${formatDistance(Date.parse(proposal.proposedAt), nowMs)} by ${printable(proposal.proposedBy)}`, width, indent),
    ...wrapText(`${proposal.state}${printable(decisionOf(proposal))}`, width, indent),
  ];
  if (change) {
    lines.push(
      ...wrapText(`now:  ${printable(change.before)}`, width, indent),
      ...wrapText(`then: ${printable(change.after)}`, width, indent),
    );
    lines.push(...(change.problems ?? []).flatMap((problem) => renderProblem(problem, { width, paint, indent })));
    if (change.files) lines.push(...renderFiles(change.files, paint));
  }
  return `${lines.join('\n')}\n`;
}

function renderFiles({ counts, ...names }: FileChanges, paint: Paint): string[] {
  const kinds = [
    ['added', '+', 'green'],
    ['changed', '~', 'yellow'],
    ['removed', '-', 'red'],
  ] as const;
  if (kinds.every(([kind]) => counts[kind] === 0)) return [`${indent}no file differs`];
  return kinds.flatMap(([kind, sign, style]) => {
    const shown = names[kind].slice(0, shownNames);
    if (counts[kind] === 0) return [];
    const more = counts[kind] > shown.length ? [`${indent}  and ${counts[kind] - shown.length} more`] : [];
    return [
      `${indent}${formatCount(counts[kind], 'file')} ${kind}:`,
      ...shown.map((name) => `${indent}${paint(style, `${sign} ${printable(name)}`)}`),
      ...more,
    ];
  });
}

function targetOf({ tenant, params }: ProposalInfo): string {
  const { app, name } = params;
  return `${tenant}${typeof app === 'string' ? `/${app}` : ''}${typeof name === 'string' ? ` ${name}` : ''}`;
}

function decisionOf({ decidedBy, reason }: ProposalInfo): string {
  return `${decidedBy === undefined ? '' : `, by ${decidedBy}`}${reason === undefined ? '' : `: ${reason}`}`;
}
