import { expect, test } from 'vitest';
import { renderLocalCa } from '../../../src/cli/local-ca-text.ts';
import { createPaint } from '../../../src/cli/terminal.ts';

test('the local CA is told with lines to paste, in 80 columns', () => {
  const fingerprint = Array.from({ length: 32 }, () => 'AB').join(':');
  const info = {
    certificate: 'PEM',
    subject: 'CN=tenantd local CA\nO=box',
    fingerprint,
    notAfterMs: Date.parse('2036-01-01T12:00:00Z'),
    file: '/var/lib/tenantd/certs/local-ca/root.pem',
  };
  const text = renderLocalCa(info, { width: 80, paint: createPaint(false), nowMs: Date.parse('2026-01-01T12:00:00Z') });
  expect(text).toContain('  root         /var/lib/tenantd/certs/local-ca/root.pem\n  subject      CN=tenantd local CA, O=box\n');
  expect(text.replaceAll(/\s/g, '')).toContain(`SHA-256${fingerprint}`);
  for (const part of ['update-ca-certificates', 'Firefox', 'security add-trusted-cert', 'curl --cacert']) expect(text).toContain(part);
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
});
