import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { VerifyResult } from '../../src/protocol/verify.ts';
import { repositoryPath, startTestDaemon, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';

let machine: ChildProcess;
let daemon: TestDaemon;

function tenantOf(name: string, egress: string): TenantFiles {
  return {
    'tenant.yaml': `domains: [${name}.test]\nnetwork: { egress: ${egress} }\n`,
    'apps/site': { copy: repositoryPath('test/fixtures/apps/answers') },
  };
}

/** In a network of its own, from which nothing leads anywhere: its only addresses are on its loopback. */
beforeAll(async () => {
  const script = 'ip link set lo up; ip address add 198.51.100.2/24 dev lo; echo ready; exec sleep 3600';
  machine = spawn('unshare', ['--net', '--', 'sh', '-ec', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (machine.stdout) await once(machine.stdout, 'data');
  daemon = await startTestDaemon({
    wrapper: ['nsenter', `--net=/proc/${machine.pid}/ns/net`, '--'],
    tenants: { alpha: tenantOf('alpha', 'any'), beta: tenantOf('beta', '["192.0.2.7:443"]') },
  });
  await daemon.untilApps(['alpha/site', 'beta/site']);
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  const exited = once(machine, 'exit');
  machine.kill('SIGKILL');
  await exited;
});

test.each(['alpha', 'beta'])('%s, which has a way out, is attacked all the same, and reaches no more than it was given', async (tenant) => {
  const { checks } = JSON.parse((await daemon.ctl('verify', tenant, '--json')).stdout) as VerifyResult;
  const attacks = checks.filter(({ id }) => id.startsWith('probe.'));
  expect(attacks.filter(({ ok }) => !ok)).toEqual([]);
  expect(attacks.filter(({ id }) => ['probe.network.tcp', 'probe.network.udp', 'probe.network.loopback'].includes(id)).length).toBe(6);
});
