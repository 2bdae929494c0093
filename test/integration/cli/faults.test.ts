import { describe, expect, test } from 'vitest';
import type { FaultInfo } from '../../../src/protocol/fault-calls.ts';
import { startControlPeer } from './control-peer.ts';
import { runTenantctl } from './run-tenantctl.ts';

const fault: FaultInfo = {
  ...{ tenant: 'acme', app: 'site', kind: 'memory', count: 3 },
  ...{ firstAt: '2026-11-21T11:00:00.000Z', lastAt: '2026-11-21T11:05:00.000Z' },
  detail: 'processes of site were ended at the limit of 128 MiB',
  processes: [
    { name: 'perl', app: 'site', count: 1, pid: 71, memoryBytes: 90 << 20, killed: true },
    { name: 'node\u001b[31m', app: 'shop', count: 2, memoryBytes: 60 << 20, cpuSeconds: 12.4 },
    { name: 'node', count: 1, pid: 70, memoryBytes: 20 << 20, cpuSeconds: 0.1 },
  ],
};

async function ctl(faults: FaultInfo[], ...args: string[]) {
  const peer = await startControlPeer({ faults: () => ({ faults }) });
  return { ...(await runTenantctl(['--config', peer.configFile, 'faults', ...args])), calls: peer.calls };
}

describe('tenantctl faults', () => {
  test('shows who hit what, how often, when, and the processes, harmless to a terminal', async () => {
    const { exitCode, stdout, calls } = await ctl([fault]);
    expect([exitCode, calls]).toEqual([0, [{ method: 'faults', params: { most: 50 } }]]);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^WHOSE +WHAT +TIMES +LAST +FIRST$/);
    expect(lines[1]).toMatch(/^acme\/site +memory +3 /);
    expect(lines.slice(2, 6)).toEqual([
      '  processes of site were ended at the limit of 128 MiB',
      '  ended: perl of site (pid 71) 90 MiB',
      '  there: node x2 of shop 60 MiB 12 s CPU, node (pid 70) 20 MiB',
      '',
    ]);
  });

  test('fits into 80 columns, whatever its names are', async () => {
    const long = { ...fault, tenant: 'a'.repeat(32), app: 'b'.repeat(32), kind: 'connectionsPerAddress' as const, count: 1_000_000 };
    const { stdout } = await ctl([long, fault]);
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).toContain(`${'a'.repeat(32)}/${'b'.repeat(32)}`);
  });

  test('asks for one tenant, since a time, so many', async () => {
    const { calls } = await ctl([], 'acme', '--since', '2026-11-21T10:00Z', '-n', '7');
    expect(calls).toEqual([{ method: 'faults', params: { tenant: 'acme', sinceMs: Date.UTC(2026, 10, 21, 10), most: 7 } }]);
  });

  test('says so when there is nothing, and prints one document with --json', async () => {
    expect((await ctl([])).stdout).toBe('Nothing of that time.\n');
    expect(JSON.parse((await ctl([fault], '--json')).stdout)).toEqual({ faults: [fault] });
  });

  test.each([[['-n', '0']], [['-n', '5000']], [['--since', 'soon']], [['acme', 'globex']]])('%j is wrong usage', async (args) => {
    const { exitCode, calls } = await ctl([], ...args);
    expect([exitCode, calls]).toEqual([2, []]);
  });
});
