import { describe, expect, test } from 'vitest';
import { renderProposal, renderProposals } from '../../../src/cli/proposal-text.ts';
import { renderTokens } from '../../../src/cli/token-command.ts';
import { createPaint } from '../../../src/cli/terminal.ts';
import type { ProposalInfo } from '../../../src/protocol/proposal-calls.ts';

const nowMs = Date.UTC(2026, 10, 21);
const layout = { width: 80, paint: createPaint(false), nowMs };
const ago = (ms: number): string => new Date(nowMs - ms).toISOString();
const hostile = 'x\u001b[2J\u009b1m\nroot';

const deploy: ProposalInfo = {
  ...{ id: 'k3j2h9', tenant: 'acme', call: 'app-deploy', params: { tenant: 'acme', app: 'site', release: '20261121-101010-abcd' } },
  ...{ proposedAt: ago(3_600_000), proposedBy: 'token abcdef (agent of acme)', expiresAt: ago(-86_400_000), state: 'open' },
};

describe('proposals as text', () => {
  test('fit 80 columns, and say what happens to each', () => {
    const denied: ProposalInfo = {
      ...deploy,
      id: 'aaaaaa',
      call: 'schedule-run',
      params: { app: 'site', name: 'nightly' },
      state: 'denied',
      decidedBy: 'operator',
      reason: 'not on a Friday',
    };
    const lines = renderProposals([deploy, denied], layout).split('\n');
    expect(lines.slice(0, 5)).toEqual([
      'ID      OF                 CALL          STATE   MADE',
      'k3j2h9  acme/site          app-deploy    open    1 h 0 min ago',
      '  by token abcdef (agent of acme)',
      'aaaaaa  acme/site nightly  schedule-run  denied  1 h 0 min ago',
      '  by token abcdef (agent of acme), by operator: not on a Friday',
    ]);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(renderProposals([], layout)).toContain('no proposals');
  });

  test('show what would change, as many names as a person reads', () => {
    const names = Array.from({ length: 100 }, (_, index) => `file${index}.txt`);
    const files = { added: names, changed: ['index.html'], removed: [], counts: { added: 700, changed: 1, removed: 0 } };
    const text = renderProposal({ proposal: deploy, change: { before: 'local', after: '20261121-101010-abcd', files } }, layout);
    expect(text).toContain('  now:  local\n  then: 20261121-101010-abcd\n  700 files added:\n  + file0.txt\n');
    expect(text).toContain('  + file39.txt\n    and 660 more\n  1 file changed:\n  ~ index.html\n');
    expect(text).not.toContain('removed');
  });

  test('of a tenant do not speak to the terminal', () => {
    const files = { added: [hostile], changed: [], removed: [], counts: { added: 1, changed: 0, removed: 0 } };
    const proposal: ProposalInfo = {
      ...deploy,
      tenant: hostile,
      proposedBy: hostile,
      reason: hostile,
      params: { app: hostile, name: hostile },
    };
    const text =
      renderProposal({ proposal, change: { before: hostile, after: hostile, files } }, layout) + renderProposals([proposal], layout);
    // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });
});

test('tokens as text fit 80 columns, and say which of them hold', () => {
  const token = { tenant: 'acme', role: 'deployer', createdAt: ago(0), createdBy: 'operator' } as const;
  const text = renderTokens(
    [
      { ...token, id: 'abcdef', name: "Ann's laptop", expiresAt: ago(-30 * 86_400_000), lastUsedAt: ago(60_000) },
      { ...token, id: 'bbbbbb', name: hostile, expiresAt: ago(1) },
      { ...token, id: 'cccccc', name: '', revokedAt: ago(1), expiresAt: ago(-1_000) },
      { ...token, id: 'dddddd', name: '', tenant: '', role: 'operator' },
    ],
    layout,
  );
  const lines = text.split('\n');
  expect(lines[0]).toMatch(/^ID +TENANT +ROLE +NAME +EXPIRES +USED$/);
  expect(lines[1]).toMatch(/^abcdef +acme +deployer +Ann's laptop +in 30 d +1 min ago$/);
  expect(lines[2]).toMatch(/^bbbbbb +acme +deployer .* expired +never$/);
  expect(lines[3]).toMatch(/^cccccc +acme +deployer +revoked +never$/);
  expect(lines[4]).toMatch(/^dddddd +- +operator +never +never$/);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
});
