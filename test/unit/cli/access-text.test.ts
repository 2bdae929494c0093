import { expect, test } from 'vitest';
import { renderAccessRecord } from '../../../src/cli/access-text.ts';
import type { AccessLine } from '../../../src/protocol/access.ts';

const plain = { paint: (_style: string, text: string) => text };
const marked = { paint: (style: string, text: string) => `<${style} ${text}>` };
const line: AccessLine = {
  ...{ time: '2026-11-21T07:31:02.123Z', client: '203.0.113.9', method: 'GET', host: 'acme.example', path: '/path', status: 200 },
  ...{
    bytesIn: 0,
    bytesOut: 1_229,
    ms: 12.3,
    appMs: 11,
    requestId: 'a1',
    app: 'site',
    release: 'local',
    protocol: 'HTTP/1.1',
    outcome: 'ok',
  },
};

test('a request is one line', () => {
  expect(renderAccessRecord(line, plain)).toBe(
    '2026-11-21 07:31:02.123Z  200  GET acme.example/path  12.3 ms (app 11.0)  1.2 KiB  203.0.113.9\n',
  );
});

test('a request that did not reach the app, or went wrong, says how it ended', () => {
  const { appMs: _, ...unsent } = line;
  expect(renderAccessRecord({ ...unsent, status: 429, bytesOut: 0, outcome: 'rate-limited' }, plain)).toBe(
    '2026-11-21 07:31:02.123Z  429  GET acme.example/path  12.3 ms  0 B  203.0.113.9  rate-limited\n',
  );
  expect(renderAccessRecord({ ...unsent, status: 0, outcome: 'client-gone' }, plain)).toContain('    -  GET');
});

test.each([
  [200, 'green'],
  [304, 'dim'],
  [404, 'yellow'],
  [502, 'red'],
])('status %d is %s', (status, style) => {
  expect(renderAccessRecord({ ...line, status }, marked)).toContain(`<${style} ${status}>`);
});

test('nothing that a client sent is obeyed by a terminal', () => {
  const evil = '\u001b[2J\u009b31m\r\n\u202e';
  const shown = renderAccessRecord({ ...line, method: evil, host: evil, path: evil, client: evil, time: evil, outcome: evil }, plain);
  expect(shown).toMatch(/^[ -~]+\n$/);
});

test('a gap is told where it is', () => {
  expect(renderAccessRecord({ time: line.time, dropped: 7 }, plain)).toBe('2026-11-21 07:31:02.123Z  7 requests not logged here\n');
});
