import { describe, expect, test } from 'vitest';
import { parseProblem, parseRetryAfterMs, toProofFault, toTryFault } from '../../../src/certs/acme-fault.ts';
import { NoncePool } from '../../../src/certs/nonce-pool.ts';

const problem = (type: string, detail = 'no') => ({ type: `urn:ietf:params:acme:error:${type}`, detail });

describe('what a CA answers', () => {
  test.each([
    [429, problem('rateLimited'), 'refused'],
    [400, problem('rejectedIdentifier'), 'refused'],
    [403, problem('caa'), 'refused'],
    [500, problem('serverInternal'), 'ca'],
    [503, '<html>busy</html>', 'ca'],
    [403, problem('userActionRequired'), 'ca'],
  ])('status %d with %j is blamed on: %s', (status, document, blame) => {
    expect(toTryFault(parseProblem(status, document), 'ca.example')).toMatchObject({ blame });
  });

  test('an answer that is no fault is none', () => {
    expect(parseProblem(200, {})).toBeUndefined();
    expect(parseProblem(201, problem('malformed'))).toBeUndefined();
  });

  test('subproblems are told', () => {
    const document = { ...problem('compound', 'several'), subproblems: [problem('caa', 'records of a.example forbid it')] };
    expect(parseProblem(403, document)).toMatchObject({ type: 'caa', message: 'several (records of a.example forbid it)' });
  });

  test.each([
    ['unauthorized', 'name'],
    ['dns', 'name'],
    ['connection', 'name'],
    ['something new', 'name'],
    ['caa', 'refused'],
    ['serverInternal', 'ca'],
  ])('a challenge that failed by %s is blamed on: %s', (type, blame) => {
    expect(toProofFault(problem(type), 'http-01', 'ca.example').blame).toBe(blame);
  });

  test('a challenge without a reason is told as such', () => {
    expect(toProofFault(undefined, 'http-01', 'ca.example').message).toContain('it gave no reason');
  });
});

describe('Retry-After', () => {
  test.each([
    ['120', 120_000],
    ['0', 0],
    [new Date(90_000).toUTCString(), 80_000],
    [new Date(1_000).toUTCString(), 0],
    ['soon', undefined],
    ['-5', undefined],
    [undefined, undefined],
  ])('%s', (text, waitMs) => {
    expect(parseRetryAfterMs(text, 10_000)).toBe(waitMs);
  });
});

describe('NoncePool', () => {
  const headers = { toJSON: () => ({}) };
  const ask = { url: 'https://ca.example/nonce', method: 'head', headers };
  const reply = (nonce: string, status = 200) => ({ status, headers: { 'replay-nonce': nonce }, body: '' });

  test('a nonce of an answer is used once, at its own CA', () => {
    const pool = new NoncePool();
    pool.keep({ url: 'https://ca.example/order', method: 'post', headers }, reply('one'));
    expect(pool.answer({ ...ask, url: 'https://other.example/nonce' })).toBeUndefined();
    expect(pool.answer(ask)).toEqual(reply('one'));
    expect(pool.answer(ask)).toBeUndefined();
  });

  test('those that somebody uses at once are not kept', () => {
    const pool = new NoncePool();
    pool.keep(ask, reply('asked for'));
    pool.keep({ ...ask, method: 'post' }, reply('after badNonce', 400));
    expect(pool.answer(ask)).toBeUndefined();
  });
});
