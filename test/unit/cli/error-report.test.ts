import { describe, expect, test } from 'vitest';
import { TenantdError } from '../../../src/base/errors.ts';
import { exitCodeOf, reportError, toTenantdError } from '../../../src/cli/error-report.ts';
import { createPaint } from '../../../src/cli/terminal.ts';

function report(error: TenantdError, json: boolean, errorWidth = Infinity): { out: string; err: string } {
  const written = { out: '', err: '' };
  const terminal = {
    width: 80,
    errorWidth,
    paint: createPaint(false),
    writeOut: (text: string) => void (written.out += text),
    writeErr: (text: string) => void (written.err += text),
    onInterrupt: () => {},
  };
  reportError(terminal, error, json);
  return written;
}

describe('an error', () => {
  const error = new TenantdError('TENANTD_E_DENIED', 'a tenant said \u001b[2J', 'ask its owner');

  test('goes to stderr with code and fix, and nothing that a terminal obeys', () => {
    expect(report(error, false)).toEqual({ out: '', err: 'tenantctl: a tenant said  (TENANTD_E_DENIED)\n  fix: ask its owner\n' });
  });

  test('is one document on stdout with --json', () => {
    const { out, err } = report(error, true);
    expect(JSON.parse(out)).toEqual({ error: { code: error.code, message: error.message, fix: error.fix } });
    expect(err).toContain('TENANTD_E_DENIED');
  });

  test('fits a terminal', () => {
    const { err } = report(new TenantdError('TENANTD_E_DENIED', 'one two three', 'four five six'), false, 20);
    expect(err).toBe('tenantctl: one two\nthree\n(TENANTD_E_DENIED)\n  fix: four five six\n');
  });

  test('without a fix has no line for it', () => {
    expect(report(new TenantdError('TENANTD_E_INTERNAL', 'x', ''), false).err).toBe('tenantctl: x (TENANTD_E_INTERNAL)\n');
  });
});

test('exit codes follow the error', () => {
  const codes = ['TENANTD_E_USAGE', 'TENANTD_E_UNREACHABLE', 'TENANTD_E_DENIED', 'TENANTD_E_INTERNAL'] as const;
  expect(codes.map((code) => exitCodeOf(new TenantdError(code, '', '')))).toEqual([2, 3, 1, 1]);
});

test('whatever was thrown becomes an error with a code', () => {
  const known = new TenantdError('TENANTD_E_DENIED', 'm', 'f');
  expect(toTenantdError(known)).toBe(known);
  expect(toTenantdError(new TypeError('x'))).toMatchObject({ code: 'TENANTD_E_INTERNAL', message: 'x' });
  expect(toTenantdError('text')).toMatchObject({ code: 'TENANTD_E_INTERNAL', message: 'text' });
});
