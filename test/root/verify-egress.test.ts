import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Check, VerifyResult } from '../../src/protocol/verify.ts';
import { repositoryPath, startTestDaemon, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);

function tenantOf(name: string, yaml = ''): TenantFiles {
  return { 'tenant.yaml': `domains: [${name}.test]\n${yaml}`, 'apps/site': { copy: repositoryPath('test/fixtures/apps/answers') } };
}

/** In a network of its own: the machine's rules and forwarding are not touched. */
describe('the way out of a tenant, broken by hand, is found and mended:', () => {
  let machine: ChildProcess;
  let daemon: TestDaemon;

  beforeAll(async () => {
    machine = spawn('unshare', ['--net', '--', 'sh', '-c', 'ip link set lo up; echo ready; exec sleep 3600'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (machine.stdout) await once(machine.stdout, 'data');
    daemon = await startTestDaemon({
      wrapper: ['nsenter', `--net=/proc/${machine.pid}/ns/net`, '--'],
      tenants: {
        // An address that is nobody's (RFC 5737); nothing is sent there.
        alpha: tenantOf('alpha', 'network: { egress: ["192.0.2.7:443"] }\nlimits: { disk: 512M }\n'),
        beta: tenantOf('beta'),
      },
    });
    await daemon.untilApps(['alpha/site', 'beta/site']);
    await untilOk();
  });
  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    const exited = once(machine, 'exit');
    machine.kill('SIGKILL');
    await exited;
  });
  afterEach(() => untilOk());

  const untilOk = (): Promise<void> =>
    until(
      async () => (await verify()).ok,
      'all is as promised',
      20_000,
      async () => JSON.stringify(await failures()),
    );

  const inside = async (...words: string[]): Promise<string> =>
    (await run('nsenter', [`--net=/proc/${machine.pid}/ns/net`, '--', ...words])).stdout;

  async function verify(): Promise<VerifyResult> {
    return JSON.parse((await daemon.ctl('verify', '--passive', '--json')).stdout) as VerifyResult;
  }

  const failures = async (): Promise<Check[]> => (await verify()).checks.filter(({ ok }) => !ok);

  test('it is checked of the tenant that has one', async () => {
    const { checks } = await verify();
    expect(checks.filter(({ id }) => id === 'network.egress').map(({ tenant, ok }) => [tenant, ok])).toEqual([['alpha', true]]);
    expect(checks.find(({ id, tenant }) => id === 'network.interfaces' && tenant === 'alpha')?.actual).toContain('eth0');
    expect(checks.find(({ id, tenant }) => id === 'network.interfaces' && tenant === 'beta')?.actual).toBe('lo');
  });

  test('attacks from inside find the rest closed', async () => {
    const { checks } = JSON.parse((await daemon.ctl('verify', '--json')).stdout) as VerifyResult;
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    const tcp = checks.filter(({ id }) => id === 'probe.network.tcp');
    expect(new Set(tcp.map(({ tenant }) => tenant))).toEqual(new Set(['alpha', 'beta']));
  });

  test('a smaller disk is no fault, though its image keeps the files that it was made for', async () => {
    const file = `${daemon.tenantsDir}/alpha/tenant.yaml`;
    writeFileSync(file, readFileSync(file, 'utf8').replace('512M', '32M'));
    await until(async () => (await daemon.tenant('alpha')).diskLimitBytes === 32 << 20, 'the limit is set');
    expect(await failures()).toEqual([]);
  });

  test('rules that were flushed', async () => {
    const [, table = ''] = /^table (inet \S+)$/m.exec(await inside('nft', 'list', 'tables')) ?? [];
    await inside('nft', 'flush', 'table', ...table.split(' '));
    expect(await failures()).toEqual([
      expect.objectContaining({ tenant: 'alpha', id: 'network.egress', actual: expect.stringMatching(/missing/) }),
    ]);
  });

  test('a link that was removed', async () => {
    const [, link = ''] = /^\d+: (td[a-z0-9]+)@/m.exec(await inside('ip', 'link')) ?? [];
    await inside('ip', 'link', 'delete', link);
    expect(await failures()).toEqual([
      expect.objectContaining({ tenant: 'alpha', id: 'network.egress', actual: expect.stringMatching(/^link td\S+: missing/) }),
    ]);
  });
});
