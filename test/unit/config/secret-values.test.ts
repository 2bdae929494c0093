import { describe, expect, test } from 'vitest';
import { maxSecretBytes, parseSecretName, parseSecretValue } from '../../../src/config/secret-values.ts';

describe('the name of a secret', () => {
  test.each(['A', 'DATABASE_URL', '_x9', 'a'.repeat(64), 'NODE_AUTH_TOKEN', 'LDAP_PASSWORD', '__proto__'])('may be %s', (name) => {
    expect(parseSecretName(name)).toEqual({ value: name });
  });

  test.each([
    ...['', '9A', 'A-B', 'A B', 'A=B', 'A/B', '../A', 'A\n', 'A\0', 'Ä', 'a'.repeat(65)],
    ...['PATH', 'HOME', 'LANG', 'TZ', 'PORT', 'NODE_ENV', 'NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS', 'TENANTD_APP', 'TENANTD_'],
    ...['LD_PRELOAD', 'GLIBC_TUNABLES', 'MALLOC_CHECK_'],
  ])('may not be %j', (name) => {
    expect(parseSecretName(name)).toHaveProperty('fault.fix');
  });
});

describe('the value of a secret', () => {
  test.each(['x', ' with spaces \n', '\u{1f511}', 'x'.repeat(maxSecretBytes), 'ü'.repeat(maxSecretBytes / 2)])('may be %#', (text) => {
    expect(parseSecretValue(text)).toEqual({ value: Buffer.from(text) });
  });

  test.each(['', 'a\0b', 'a\ud800b', 'x'.repeat(maxSecretBytes + 1), `${'ü'.repeat(maxSecretBytes / 2)}x`])(
    'may not be %#, and what it is is not told',
    (text) => {
      const parsed = parseSecretValue(text);
      expect(parsed).toHaveProperty('fault.message');
      expect(JSON.stringify(parsed)).not.toMatch(/xx|üü|a.b/);
    },
  );
});
