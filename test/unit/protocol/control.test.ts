import { describe, expect, test } from 'vitest';
import { controlCalls } from '../../../src/protocol/control.ts';

const accepted: [keyof typeof controlCalls, unknown][] = [
  ['status', {}],
  ['status', { tenant: 'acme' }],
  ['reload', {}],
  ['app-restart', { tenant: 'acme', app: 'site' }],
  ['logs', { tenant: 'acme', lines: 0, follow: true }],
  ['logs', { tenant: 'acme', app: 'site', lines: 10_000, follow: false }],
];

const refused: [keyof typeof controlCalls, unknown][] = [
  ['status', undefined],
  ['status', { tenant: '../acme' }],
  ['status', { tenant: 7 }],
  ['status', { tenant: 'acme', token: 'unknown' }],
  ['reload', { force: true }],
  ['app-restart', { tenant: 'acme' }],
  ['app-stop', { tenant: 'acme', app: 'a'.repeat(33) }],
  ['app-start', { tenant: 'Acme', app: 'site' }],
  ['logs', { tenant: 'acme', lines: -1, follow: false }],
  ['logs', { tenant: 'acme', lines: 10_001, follow: false }],
  ['logs', { tenant: 'acme', lines: 1.5, follow: false }],
  ['logs', { tenant: 'acme', lines: 1 }],
];

describe('parameters of requests on the control socket', () => {
  test.each(accepted)('%s takes %o', (method, params) => {
    expect(controlCalls[method].safeParse(params).success).toBe(true);
  });

  test.each(refused)('%s refuses %o', (method, params) => {
    expect(controlCalls[method].safeParse(params).success).toBe(false);
  });
});
