import { describe, expect, test } from 'vitest';
import { isAppName, isTenantName } from '../../../src/base/ids.ts';

describe.each([
  ['isTenantName', isTenantName],
  ['isAppName', isAppName],
])('%s', (_name, isName) => {
  test.each(['a', 'acme', 'acme-2', 'a-', 'x'.repeat(32)])('takes %s', (text) => {
    expect(isName(text)).toBe(true);
  });

  test.each([
    '',
    'x'.repeat(33),
    'Acme',
    '2acme',
    '-acme',
    'ac me',
    'acme\n',
    '\nacme',
    'acme/site',
    '..',
    'acme.example',
    'acme_',
    'äcme',
    'acme\0',
    'constructor()',
  ])('refuses %o', (text) => {
    expect(isName(text)).toBe(false);
  });
});
