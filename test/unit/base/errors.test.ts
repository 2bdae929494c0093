import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { errorCodes } from '../../../src/base/error-codes.ts';
import { errnoOf, messageOf, TenantdError } from '../../../src/base/errors.ts';

describe('error codes', () => {
  test.each(Object.entries(errorCodes))('%s is well formed and has one line of meaning', (code, meaning) => {
    expect(code).toMatch(/^TENANTD_E(?:_[A-Z]+)+$/);
    expect(meaning).toMatch(/^[^\n|]{10,100}[^\n|.]$/);
  });

  test('each has a meaning of its own', () => {
    const meanings = Object.values(errorCodes);
    expect(new Set(meanings).size).toBe(meanings.length);
  });
});

describe('TenantdError', () => {
  test('carries its code, what happened, what to do, and its cause', () => {
    const cause = new Error('beneath');
    const error = new TenantdError('TENANTD_E_STATE', 'the state is locked', 'stop the other daemon', { cause });
    expect(error).toMatchObject({
      name: 'TenantdError',
      code: 'TENANTD_E_STATE',
      message: 'the state is locked',
      fix: 'stop the other daemon',
      cause,
    });
    expect(error).toBeInstanceOf(Error);
  });
});

describe('errnoOf', () => {
  test('names a system error', () => {
    expect(errnoOf(catchError(() => readFileSync('/nonexistent/file')))).toBe('ENOENT');
  });

  test.each([new Error('no code'), Object.assign(new Error('a number'), { code: 5 }), { code: 'ENOENT' }, 'ENOENT', null, undefined])(
    'knows no errno of %o',
    (error) => {
      expect(errnoOf(error)).toBeUndefined();
    },
  );
});

describe('messageOf', () => {
  test('tells what was thrown, whatever it was', () => {
    expect([new Error('readable'), 'text', 7, null, undefined].map(messageOf)).toEqual(['readable', 'text', '7', 'null', 'undefined']);
  });
});

function catchError(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
