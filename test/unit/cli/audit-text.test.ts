import { expect, test } from 'vitest';
import { renderAudit } from '../../../src/cli/audit-text.ts';
import type { AuditEntry } from '../../../src/protocol/audit-chain.ts';

const entry: AuditEntry = {
  ...{ tenant: 'acme', time: '2026-11-21T10:00:00.123Z', actor: 'operator', action: 'app-scale', outcome: 'done' },
  ...{ before: '{"app":"site","workers":"auto"}', after: '{"app":"site","workers":3}' },
};
const shown = (...records: Partial<AuditEntry>[]): string[] =>
  renderAudit(
    records.map((record) => ({ ...entry, ...record })),
    { width: 80, nowMs: 0, paint: (_, text) => text },
  ).split('\n');

test('a record is who, whose, what, how it ended, and what changed', () => {
  expect(shown({})).toEqual([
    'TIME (UTC)           WHO       TENANT  WHAT       OUTCOME',
    '2026-11-21 10:00:00  operator  acme    app-scale  done',
    '  app site, workers auto -> 3',
    '',
  ]);
});

test('one that failed says why, and a long actor has a line of its own', () => {
  expect(
    shown({ actor: 'token 7k2mq3 (deployer of acme)', outcome: 'TENANTD_E_DENIED: no', tenant: '', after: entry.before }).slice(1),
  ).toEqual([
    '2026-11-21 10:00:00  token 7k2mq3  -       app-scale  failed',
    '  by token 7k2mq3 (deployer of acme)',
    '  app site, workers auto',
    '  TENANTD_E_DENIED: no',
    '',
  ]);
});

test.each([
  ['null', '{"release":"r1"}', '  release r1'],
  ['{"setAt":null,"name":"KEY"}', '{"setAt":"today","name":"KEY"}', '  setAt today, name KEY'],
  ['{"sha256":"a"}', '{"sha256":"b","changed":["plan"]}', '  changed ["plan"]'],
  ['["a"]', '["a","b"]', '  ["a"] -> ["a","b"]'],
  ['not json', 'not json', '  not json'],
])('from %s to %s is told as %o', (before, after, text) => {
  expect(shown({ before, after })[2]).toBe(text);
});

test('nothing is said of what did not change and is nothing', () => {
  expect(shown({ before: 'null', after: 'null' })).toHaveLength(3);
  expect(renderAudit([], { width: 80, nowMs: 0, paint: (_, text) => text })).toBe('No record fits.\n');
});

test('nothing in a record speaks to the terminal', () => {
  expect(
    shown({ actor: 'a\u001b[2J', action: 'b\nc', before: 'null', after: JSON.stringify({ x: '\u009b31m\r' }) }).join('\n'),
  ).not.toMatch(
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/, // oxlint-disable-line no-control-regex -- that is what must not be there
  );
});
