import { expect, test } from 'vitest';
import { formatJournalEntry } from '../../../src/daemon/journal-entry.ts';
import { readJournalEntry } from '../../support/journal.ts';

const entry = { priority: 6, identifier: 'acme/site', fields: { TENANTD_TENANT: 'acme' } };
const rest = { PRIORITY: '6', SYSLOG_IDENTIFIER: 'acme/site', TENANTD_TENANT: 'acme' };

test.each([
  ['plain text', 'hello'],
  ['nothing', ''],
  ['several lines', 'one\ntwo\n'],
  ['fields of its own', 'x\nPRIORITY=0\nTENANTD_TENANT=globex\n'],
  ['a field with a length', `x\nTENANTD_TENANT\n\u0006\0\0\0\0\0\0\0globex\n`],
  ['what no line has', '\0\u001b[31m\u2028 ü €'],
])('an entry says what was printed and whose it is, with %s', (_, message) => {
  expect(readJournalEntry(formatJournalEntry({ ...entry, message }))).toEqual({ MESSAGE: message, ...rest });
});
