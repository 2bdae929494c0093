import { describe, expect, test } from 'vitest';
import { renderChange, renderRecordsToSet } from '../../../src/cli/domain-change-text.ts';
import { renderCheck, renderDomains } from '../../../src/cli/domain-text.ts';
import { createPaint } from '../../../src/cli/terminal.ts';
import type { DnsRecord, NameCheck, NameStatus } from '../../../src/protocol/certs.ts';
import type { DomainStatus } from '../../../src/protocol/certificate-calls.ts';

const nowMs = Date.parse('2026-01-01T12:00:00Z');
const layout = { width: 80, paint: createPaint(false), nowMs };
const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));

const check: NameCheck = {
  name: 'shop.example',
  verdict: 'elsewhere',
  expected: [
    { name: 'shop.example', type: 'A', value: '203.0.113.7' },
    { name: 'shop.example', type: 'AAAA', value: '2001:db8::7' },
  ],
  found: [
    { name: 'shop.example', type: 'CNAME', value: 'lb.example' },
    { name: 'lb.example', type: 'A', value: '198.51.100.2' },
  ],
  findings: ['shop.example points to 198.51.100.2, not to this machine. Remove these records and set A 203.0.113.7 or AAAA 2001:db8::7.'],
};

const failed: NameStatus = {
  tenant: 'acme',
  name: 'shop.example',
  state: 'failed',
  message: 'The last try failed: it points elsewhere',
  failures: 2,
  lastError: 'it points elsewhere',
  nextTryMs: nowMs + 600_000,
};
const managed: DomainStatus = { tenant: 'acme', name: 'shop.example', certificate: 'managed', status: failed };

describe('the check of a name', () => {
  test('shows expected beside found, what that means, and why there is no certificate yet', () => {
    expect(renderCheck({ check, domain: managed }, layout)).toBe(
      `shop.example of tenant acme: points elsewhere
  shop.example points to 198.51.100.2, not to this machine. Remove these records
  and set A 203.0.113.7 or AAAA 2001:db8::7.

  EXPECTED (one of these)  FOUND
  A 203.0.113.7            CNAME lb.example
  AAAA 2001:db8::7         lb.example A 198.51.100.2

Certificate
  The last try failed: it points elsewhere
  2 tries failed since the last success.
  Next try in 10 min; at once: tenantctl cert renew acme shop.example
`,
    );
  });

  test('puts long records below each other', () => {
    const found: DnsRecord[] = [{ name: 'shop.example', type: 'CAA', value: `0 issue "${'x'.repeat(60)}"` }];
    const text = renderCheck({ check: { ...check, expected: [], found }, domain: managed }, layout);
    expect(text).toContain('  EXPECTED\n      not known\n  FOUND\n      CAA 0 issue "x');
    expect(widest(text)).toBeLessThanOrEqual(80);
  });

  test.each([
    ['no tenant has it', undefined, 'None is ordered: no tenant has this name (tenantctl domain add TENANT\n  shop.example).'],
    ['there is no https', { ...managed, certificate: 'none' }, 'None: tenantd.yaml has no `https.listen`.'],
    ['the tenant brought its own', { ...managed, certificate: 'own' }, "The tenant's own (`tls.certificate` in its tenant.yaml) covers it"],
    ['it was just added', { tenant: 'acme', name: 'shop.example', certificate: 'unknown' }, 'Nothing is known of it yet'],
    [
      'there is one',
      {
        ...managed,
        status: { ...failed, state: 'issued', message: 'It is in use.', failures: 0, issuer: 'R11', notAfterMs: nowMs + 864_000_000 },
      },
      'It is in use.\n  Served now: one of R11, which expires in 10 d (2026-01-11).\n  The last error: it points elsewhere\n  Renewed in 10 min.',
    ],
    [
      'it expired',
      { ...managed, status: { ...failed, notAfterMs: nowMs - 3_600_000 } },
      'Served now: one of an unknown issuer, which expired 1 h 0 min ago\n  (2026-01-01).',
    ],
  ] as const)('says what there is of a certificate when %s', (_, domain, text) => {
    expect(renderCheck({ check, ...(domain && { domain }) }, layout)).toContain(`Certificate\n  `);
    expect(renderCheck({ check, ...(domain && { domain }) }, layout)).toContain(text);
  });
});

describe('the list of domains', () => {
  test('shows how each certificate stands, and redirects', () => {
    const status = { ...failed, state: 'issued', notAfterMs: nowMs + 3_600_000 } as const;
    const www: DomainStatus = { tenant: 'acme', name: 'www.shop.example', redirectTo: 'shop.example', certificate: 'own' };
    expect(renderDomains([{ ...managed, status }, www, { tenant: 'globex', name: 'g.localhost', certificate: 'none' }], layout)).toBe(
      `  NAME              CERTIFICATE  EXPIRES
acme
  shop.example      valid        in 1 h 0 min (2026-01-01)
  www.shop.example  its own
      redirects to shop.example

globex
  g.localhost       no https
`,
    );
    expect(renderDomains([], layout)).toBe('There are no domains: tenantctl domain add TENANT NAME\n');
  });
});

describe('after a change', () => {
  const text = { tenant: 'acme', done: 'added', before: 'there already' };
  const many = Array.from({ length: 1_000 }, (_, index) => `s${index}.example`);

  test('names are listed, and problems with their fix', () => {
    const problem = {
      code: 'TENANTD_E_DOMAIN_TAKEN',
      message: 'another tenant had it',
      fix: 'remove it',
      file: 'tenant.yaml',
      line: 3,
    } as const;
    expect(renderChange({ changed: ['a.example'], unchanged: ['b.example'], problems: [problem] }, text, layout)).toEqual([
      'acme: 1 domain added',
      '  a.example',
      '  there already: b.example',
      '  TENANTD_E_DOMAIN_TAKEN  tenant.yaml:3',
      '    another tenant had it',
      '    fix: remove it',
    ]);
  });

  test('of a thousand names the first are listed', () => {
    const lines = renderChange({ changed: many, unchanged: many, problems: [] }, text, layout);
    expect(lines.slice(0, 2)).toEqual(['acme: 1000 domains added', '  s0.example']);
    expect(lines[21]).toBe('  and 980 more');
    expect(lines.at(-1)).toMatch(/and 980 more$/);
    expect(lines.length).toBeLessThan(30);
  });

  test('the records to set are a table, with what a wildcard needs', () => {
    const records: DnsRecord[] = ['a.example', '*.b.example'].map((name) => ({ name, type: 'A', value: '203.0.113.7' }));
    const lines = renderRecordsToSet({ records, challenges: ['_acme-challenge.b.example'], local: [], unknown: [] }, layout);
    expect(lines.slice(0, 5)).toEqual([
      '',
      'Set, for each name, this DNS record:',
      '  NAME         TYPE  VALUE',
      '  a.example    A     203.0.113.7',
      '  *.b.example  A     203.0.113.7',
    ]);
    expect(lines.at(-1)).toBe('  _acme-challenge.b.example  TXT');
    expect(widest(lines.join('\n'))).toBeLessThanOrEqual(80);
  });

  test('a thousand names need the same records', () => {
    const records = many.flatMap((name): DnsRecord[] => [
      { name, type: 'A', value: '203.0.113.7' },
      { name, type: 'AAAA', value: '2001:db8::7' },
    ]);
    expect(renderRecordsToSet({ records, challenges: [], local: [], unknown: [] }, layout)).toEqual([
      '',
      'Set, for each of the 1000 names, at least one of these DNS records (--json has',
      'them one by one):',
      '  A 203.0.113.7',
      '  AAAA 2001:db8::7',
    ]);
  });

  test('says so where nothing is to be set, or nobody knows what', () => {
    const none = { records: [], challenges: [] };
    expect(renderRecordsToSet({ ...none, local: ['a.localhost'], unknown: [] }, layout)).toEqual([
      '',
      'Names below .localhost need no DNS records.',
    ]);
    expect(renderRecordsToSet({ ...none, local: [], unknown: ['a.example'] }, layout).join(' ')).toContain('acme.publicAddresses');
  });
});
