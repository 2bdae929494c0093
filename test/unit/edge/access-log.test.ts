import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { AccessEntry } from '../../../src/edge/access-entry.ts';
import { type AccessLogs, type AccessLogsOptions, createAccessLogs } from '../../../src/edge/access-log.ts';

interface Line {
  requestId?: string;
  dropped?: number;
}

let directory: string;
let faults: string[];
let nowMs: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tenantd-access-'));
  faults = [];
  nowMs = 1_700_000_000_000;
});
afterEach(() => rmSync(directory, { recursive: true }));

function open(options: Partial<AccessLogsOptions> = {}): AccessLogs {
  const logs = createAccessLogs({
    ...{ directory, place: 0, places: 1, maxBytes: 1 << 20, keep: 3, nowMs: () => nowMs },
    reportFault: (_, message) => faults.push(message),
    ...options,
  });
  onTestFinished(() => logs.close());
  return logs;
}

const entry = new AccessEntry();

function record(logs: AccessLogs, count: number, tenant = 'acme'): void {
  for (let number = 0; number < count; number++) {
    logs.record(Object.assign(entry, { tenant, app: tenant === '' ? '' : 'site', target: '/', requestId: String(number) }));
  }
}

function linesOf(name: string): Line[] {
  const text = readFileSync(join(directory, name), 'utf8');
  expect(text.endsWith('\n')).toBe(true);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

const dropped = (lines: Line[]): number => lines.reduce((sum, line) => sum + (line.dropped ?? 0), 0);
const kept = (lines: Line[]): number => lines.filter((line) => line.requestId !== undefined).length;

describe('access logs', () => {
  test('are a folder a tenant, and a file a place', async () => {
    const first = open({ place: 0, places: 2 });
    const second = open({ place: 1, places: 2 });
    record(first, 2);
    record(second, 1);
    record(second, 1, 'globex');
    await Promise.all([first.flush(), second.flush()]);
    expect(['acme/access.0.log', 'acme/access.1.log', 'globex/access.1.log'].map((name) => linesOf(name).length)).toEqual([2, 1, 1]);
    expect(existsSync(join(directory, 'globex/access.0.log'))).toBe(false);
  });

  test('keep the requests of no tenant apart, and only so many of them', async () => {
    const logs = open();
    record(logs, 5_000, '');
    await logs.flush();
    record(logs, 1, '');
    await logs.flush();
    const lines = linesOf('-/access.0.log');
    expect(kept(lines)).toBe(200);
    expect(dropped(lines)).toBe(4_801);
  });

  test('are written without being asked when much waits', async () => {
    const logs = open();
    record(logs, 1_000);
    // What the write that is under way did not take.
    await logs.flush();
    expect(linesOf('acme/access.0.log').map(({ requestId }) => Number(requestId))).toEqual(Array.from({ length: 1_000 }, (_, at) => at));
  });

  test('share the size among the places', async () => {
    const logs = open({ place: 1, places: 4, maxBytes: 4 * (64 << 10) });
    for (let batch = 0; batch < 4; batch++) {
      record(logs, 250);
      await logs.flush();
    }
    const sizes = [1, 2, 3].map((number) => linesOf(`acme/access.1.log.${number}`).length);
    expect([...sizes, linesOf('acme/access.1.log').length]).toEqual([250, 250, 250, 250]);
  });

  test('drop what the disk does not take in time, and say how much', async () => {
    const logs = open({ maxBufferedBytesPerTenant: 256 << 10 });
    record(logs, 10_000);
    await logs.flush();
    record(logs, 1);
    await logs.flush();
    const lines = linesOf('acme/access.0.log');
    expect(dropped(lines)).toBeGreaterThan(0);
    expect(kept(lines) + dropped(lines)).toBe(10_001);
    // The count stands before what came after the gap.
    expect(lines.at(-1)?.requestId).toBe('0');
  });

  test('of many tenants together take no more than their share of memory', async () => {
    const logs = open({ maxBufferedBytes: 64 << 10 });
    const tenants = Array.from({ length: 50 }, (_, number) => `t${number}`);
    for (const tenant of tenants) record(logs, 1, tenant);
    await logs.flush();
    await logs.flush();
    const lines = tenants.map((tenant) => linesOf(`${tenant}/access.0.log`));
    // A buffer begins with 4 KiB.
    expect(kept(lines.flat())).toBe(16);
    expect(dropped(lines.flat())).toBe(34);
    for (const tenant of tenants.slice(20)) record(logs, 1, tenant);
    await logs.flush();
    expect(kept(tenants.flatMap((tenant) => linesOf(`${tenant}/access.0.log`)))).toBe(32);
  });

  test('that can not be written are dropped and counted, told once a minute, and written again later', async () => {
    writeFileSync(join(directory, 'acme'), 'no folder');
    const logs = open();
    for (let time = 0; time < 3; time++) {
      record(logs, 5);
      await logs.flush();
    }
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(/^the access log of acme can not be written, .*ENOTDIR/);
    nowMs += 60_000;
    record(logs, 2_000);
    await logs.flush();
    expect(faults).toHaveLength(2);
    rmSync(join(directory, 'acme'));
    record(logs, 2);
    await logs.flush();
    const lines = linesOf('acme/access.0.log');
    expect(lines.map((line) => line.dropped ?? 'kept')).toEqual([2_015, 'kept', 'kept']);
  });

  test('of one tenant that can not be written harm no other', async () => {
    writeFileSync(join(directory, 'acme'), 'no folder');
    const logs = open();
    record(logs, 20_000);
    record(logs, 300, 'globex');
    await logs.flush();
    expect(kept(linesOf('globex/access.0.log'))).toBe(300);
  });

  test('of a tenant that is served no more are written to the end', async () => {
    const logs = open();
    record(logs, 3);
    logs.forget('acme');
    logs.forget('nobody');
    record(logs, 2);
    await logs.close();
    expect(linesOf('acme/access.0.log')).toHaveLength(5);
  });

  test('are whole after close', async () => {
    mkdirSync(join(directory, 'acme'));
    const logs = open();
    record(logs, 700);
    record(logs, 1, 'globex');
    await logs.close();
    expect(kept(linesOf('acme/access.0.log'))).toBe(700);
    expect(kept(linesOf('globex/access.0.log'))).toBe(1);
  });
});
