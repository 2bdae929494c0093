import { describe, expect, test } from 'vitest';
import { AccessEntry } from '../../../src/edge/access-entry.ts';
import { createAccessLine, droppedLine } from '../../../src/edge/access-line.ts';

const nowMs = Date.UTC(2026, 10, 21, 7, 31, 2, 123);
const everyByte = String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code));

function entryWith(values: Partial<AccessEntry>): AccessEntry {
  return Object.assign(new AccessEntry(), {
    ...{ client: '203.0.113.9', method: 'GET', host: 'acme.example', target: '/path', status: 200, bytesOut: 12, requestId: 'a1' },
    ...values,
  });
}

function parse(values: Partial<AccessEntry>): Record<string, unknown> {
  return JSON.parse(createAccessLine()(entryWith(values), nowMs)) as Record<string, unknown>;
}

describe('an access line', () => {
  test('of a request to an app tells all of it', () => {
    const line = createAccessLine()(
      entryWith({ app: 'site', release: 'local', tls: 'TLSv1.3', durationMs: 12.34, appMs: 11, bytesIn: 3 }),
      nowMs,
    );
    expect(line).toBe(
      '{"time":"2026-11-21T07:31:02.123Z","client":"203.0.113.9","method":"GET","host":"acme.example","path":"/path","status":200,' +
        '"bytesIn":3,"bytesOut":12,"ms":12.3,"appMs":11.0,"requestId":"a1","app":"site","release":"local","protocol":"HTTP/1.1",' +
        '"tls":"TLSv1.3","outcome":"ok"}\n',
    );
  });

  test('of a request that reached no app, without TLS, leaves out what there is not', () => {
    expect(Object.keys(parse({ outcome: 'misdirected' }))).toEqual([
      'time',
      'client',
      'method',
      'host',
      'path',
      'status',
      'bytesIn',
      'bytesOut',
      'ms',
      'requestId',
      'protocol',
      'outcome',
    ]);
  });

  test.each(['client', 'method', 'host', 'target', 'release'] as const)('holds every byte in %s, as one line of ASCII', (field) => {
    const text = everyByte.replace('?', '');
    const line = createAccessLine()(entryWith({ app: 'site', [field]: text }), nowMs);
    expect(line).toMatch(/^[ -~]+\n$/);
    const parsed = JSON.parse(line) as Record<string, unknown>;
    expect(parsed[field === 'target' ? 'path' : field]).toBe(text);
  });

  test('forges neither a field nor a line', () => {
    const parsed = parse({ target: '/","status":500,"x":"\n{"time":"now"}', host: 'a\\', status: 200 });
    expect(parsed).toMatchObject({ path: '/","status":500,"x":"\n{"time":"now"}', host: 'a\\', status: 200 });
    expect(parsed).not.toHaveProperty('x');
  });

  test('never has the query', () => {
    expect(createAccessLine()(entryWith({ target: '/login?token=secret?again' }), nowMs)).not.toContain('secret');
    expect(parse({ target: '/login?token=secret' })['path']).toBe('/login');
    expect(parse({ target: '?token=secret' })['path']).toBe('');
  });

  test('stays below 18 KiB whatever is in it', () => {
    const long = '\u0001'.repeat(100_000);
    const line = createAccessLine()(entryWith({ target: long, host: long, method: long, client: long }), nowMs);
    expect(line.length).toBeLessThan(18 << 10);
    expect((JSON.parse(line) as { path: string }).path).toBe(`${'\u0001'.repeat(2_048)}...`);
  });

  test.each([0, 0.04, 0.05, 9.96, 1_234_567.89])('tells %d ms with one digit behind the point', (durationMs) => {
    expect(parse({ durationMs })['ms']).toBe(Math.round(durationMs * 10) / 10);
  });

  test('tells the time over seconds, and when the clock is set back', () => {
    const format = createAccessLine();
    for (const ms of [nowMs, nowMs + 7, nowMs + 900, nowMs + 60_000, nowMs - 86_400_000, nowMs - 86_399_999]) {
      expect((JSON.parse(format(entryWith({}), ms)) as { time: string }).time).toBe(new Date(ms).toISOString());
    }
  });

  test('of dropped entries is a line of JSON too', () => {
    expect(JSON.parse(droppedLine(nowMs, 7))).toEqual({ time: '2026-11-21T07:31:02.123Z', dropped: 7 });
  });
});
