import { describe, expect, test } from 'vitest';
import { createPaint } from '../../../src/cli/terminal.ts';
import { renderUsageCsv } from '../../../src/cli/usage-csv.ts';
import { renderUsage } from '../../../src/cli/usage-text.ts';
import { noUsage, type UsageRow } from '../../../src/protocol/usage-calls.ts';

const layout = { width: 80, paint: createPaint(false) };
const march = { from: '2026-03-01T00:00:00Z', to: '2026-04-01T00:00:00Z' };
const row = (tenant: string, change: Partial<UsageRow> = {}): UsageRow => ({ ...noUsage, tenant, ...march, ...change });

describe('as text', () => {
  test('usage fits 80 columns, with its sum below, however much it is', () => {
    const much = {
      requests: 123_456_789,
      bytesIn: 2 ** 50,
      bytesOut: 2 ** 51,
      cpuSeconds: 1e7,
      memoryGibHours: 46_080,
      diskGibHours: 7_200,
    };
    const text = renderUsage(
      { month: '2026-03', rows: [row('acme', { ...much, egressBytesOut: 2 ** 40 }), row('globex', { requests: 1 })] },
      layout,
    );
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(text).toMatch(/^acme +123,456,789 +1024 TiB +2048 TiB +2778 h +46080 +7200 +1\.0 TiB$/m);
    expect(text).toMatch(/^total +123,456,790 /m);
  });

  test('rows of apps and times say which', () => {
    const rows = [row('acme', { app: '', from: '2026-03-02T00:00:00Z' }), row('acme', { app: 'site', from: '2026-03-02T05:00:00Z' })];
    expect(renderUsage({ month: '2026-03', rows }, { ...layout, byApp: true, byDay: true })).toMatch(/^acme 03-02 .*\n^acme\/site 03-02 /m);
    expect(renderUsage({ month: '2026-03', rows }, { ...layout, byApp: true, byHour: true })).toMatch(/^acme\/site 03-02 05h /m);
  });

  test('a month without anything is told', () => {
    expect(renderUsage({ month: '2026-03', rows: [] }, layout)).toBe('Nothing was used in 2026-03.\n');
  });
});

describe('as CSV', () => {
  test('usage has a header, times in UTC, and plain numbers', () => {
    const csv = renderUsageCsv([row('acme', { app: 'site', requests: 1e15, cpuSeconds: 0.000001, memoryGibHours: 1.5, bytesIn: 5 })]);
    expect(csv).toBe(
      'tenant,app,from,to,requests,bytes_in,bytes_out,cpu_seconds,memory_gib_hours,disk_gib_hours,egress_bytes_out,egress_bytes_in\r\n' +
        'acme,site,2026-03-01T00:00:00Z,2026-04-01T00:00:00Z,1000000000000000,5,0,0.000001,1.5,0,0,0\r\n',
    );
  });

  test('no cell is taken for a formula, or for two', () => {
    const csv = renderUsageCsv([row('=cmd|x', { app: 'a,"b"\n' })]);
    expect(csv.split('\r\n')[1]).toMatch(/^'=cmd\|x,"a,""b""\n",2026/);
  });
});
