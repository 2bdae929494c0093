import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FaultsResult } from '../../src/protocol/fault-calls.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { type EgressWorld, inApp, makeEgressWorld, reachingTenant } from './egress-world.ts';

describe('the fault journal', () => {
  let world: EgressWorld;
  let daemon: TestDaemon;

  beforeAll(async () => {
    world = await makeEgressWorld();
    const tenants = Object.fromEntries(['acme', 'near'].map((name) => [name, reachingTenant(name, '["203.0.113.10/32:8080"]')]));
    daemon = await startTestDaemon({ wrapper: world.machine.enter, tenants });
    await daemon.untilApps(['acme/site', 'near/site']);
  });
  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    world?.close();
  });

  async function faultsOf(tenant: string): Promise<FaultsResult['faults']> {
    return (JSON.parse((await daemon.ctl('faults', tenant, '--json')).stdout) as FaultsResult).faults;
  }

  test('has packets that a tenant was not let out with, and none of a neighbour that kept to its list', async () => {
    expect(await inApp(daemon, 'near', 'tcp 203.0.113.10 8080')).toContain('sees');
    expect(await inApp(daemon, 'acme', 'tcp 203.0.113.20 8080')).toMatch(/^E/);
    await until(async () => (await faultsOf('acme')).length > 0, 'it is in the journal', 50_000);
    expect(await faultsOf('acme')).toMatchObject([{ kind: 'egress', detail: expect.stringMatching(/^packets were refused/) }]);
    expect(await faultsOf('near')).toEqual([]);
  });

  test('counts packets once, also over a restart of the daemon', async () => {
    const before = await faultsOf('acme');
    await daemon.kill();
    await daemon.start();
    await daemon.untilApps(['acme/site', 'near/site']);
    await inApp(daemon, 'near', 'tcp 203.0.113.20 8080');
    await until(async () => (await faultsOf('near')).length > 0, 'the counters were read', 50_000);
    expect(await faultsOf('acme')).toEqual(before);
  });
});
