import { describe, expect, test } from 'vitest';
import { renderCertificates, stateInWords } from '../../../src/cli/certificate-text.ts';
import { createPaint } from '../../../src/cli/terminal.ts';
import type { NameStatus } from '../../../src/protocol/certs.ts';

const nowMs = Date.parse('2026-01-01T12:00:00Z');
const dayMs = 86_400_000;

function statusOf(name: string, rest: Partial<NameStatus> = {}): NameStatus {
  return { tenant: 'acme', name, state: 'issued', message: 'The certificate of R11 is in use.', failures: 0, ...rest };
}

const issued = { issuer: "R11, Let's Encrypt", notAfterMs: nowMs + 59.5 * dayMs, nextTryMs: nowMs + 29 * dayMs };
const render = (names: NameStatus[], colour = false): string => renderCertificates(names, { width: 80, paint: createPaint(colour), nowMs });

describe('certificates', () => {
  test('are shown by tenant, with expiry and the next try', () => {
    const dead = statusOf('dead.example', {
      tenant: 'globex',
      state: 'failed',
      message: 'The last try failed: dead.example has no address in the DNS yet.',
      lastError: 'dead.example has no address in the DNS yet.',
      failures: 3,
      nextTryMs: nowMs + 3_600_000,
    });
    expect(render([dead, statusOf('acme.example', issued), statusOf('*.shops.acme.example', issued)])).toBe(
      [
        '  NAME                  STATE   EXPIRES               NEXT TRY',
        'acme',
        '  acme.example          valid   in 59 d (2026-03-02)  in 29 d',
        "      issuer: R11, Let's Encrypt",
        '  *.shops.acme.example  valid   in 59 d (2026-03-02)  in 29 d',
        "      issuer: R11, Let's Encrypt",
        '',
        'globex',
        '  dead.example          failed  -                     in 1 h 0 min',
        '      The last try failed: dead.example has no address in the DNS yet.',
        '',
        '3 names: 2 valid, 1 failed',
        '',
      ].join('\n'),
    );
  });

  test('fit 80 columns, with names of any length and errors of many words', () => {
    const name = `${'long-label.'.repeat(9)}example`;
    const lastError = 'the CA says: '.concat('unable to update the challenge, '.repeat(20));
    const lines = render([statusOf(name, { ...issued, lastError, failures: 2 }), statusOf('b.example', issued)]).split('\n');
    expect(lines).toContain(`  ${name}`);
    expect(Math.max(...lines.filter((line) => !line.includes(name)).map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.join('\n')).toContain('last error, of 2 failures: the CA says');
  });

  test('hide no control character, and are coloured by what is served', () => {
    const text = render(
      [statusOf('a.example', { ...issued, issuer: '\u001b]0;x\u0007CA' }), statusOf('b.example', { state: 'set-aside' })],
      true,
    );
    expect(text).toContain('\u001b[32mvalid\u001b[39m');
    expect(text).toContain('\u001b[31mset aside\u001b[39m');
    expect(text).not.toContain('\u001b]');
  });

  test('that nobody needs are told in a sentence', () => {
    expect(render([])).toBe('There are no names that need a certificate.\n');
  });

  test.each([
    [{ state: 'issued', notAfterMs: nowMs - 1 }, 'expired'],
    [{ state: 'failed', notAfterMs: nowMs + 1 }, 'not renewed'],
    [{ state: 'set-aside', notAfterMs: nowMs + 1 }, 'not renewed'],
    [{ state: 'renewing', notAfterMs: nowMs + 1 }, 'renewing'],
    [{ state: 'set-aside' }, 'set aside'],
    [{ state: 'checking' }, 'checking DNS'],
  ] as const)('%j is %s', (rest, words) => {
    expect(stateInWords(statusOf('a.example', rest), nowMs)).toBe(words);
  });
});
