import { readFileSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const tenantYaml = (domain: string): string => `domains: [${domain}]\n`;
const app = `require('node:http').createServer((request, response) => response.end(process.env.TENANTD_TENANT)).listen(3000);`;

describe('what runs for a tenant', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    const files = (name: string) => ({
      'tenant.yaml': tenantYaml(`${name}.test`),
      'apps/site/server.js': app,
      'apps/site/package.json': '{"main":"server.js"}',
    });
    daemon = await startTestDaemon({ tenants: { alpha: files('alpha'), beta: files('beta') } });
    await daemon.untilApps(['alpha/site', 'beta/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test('runs under a uid of its own without capabilities, groups or new privileges', async () => {
    const { tenants } = await daemon.status();
    const pids = tenants.flatMap((tenant) => [tenant.hostPid, ...tenant.apps.flatMap(({ workers }) => workers.map(({ pid }) => pid))]);
    const facts = pids.map(factsOf);
    expect(facts).toHaveLength(4);
    expect(new Set(facts.map(({ uid }) => uid)).size).toBe(4);
    for (const fact of facts) expect(fact).toMatchObject({ capabilities: ['0', '0', '0', '0', '0'], noNewPrivileges: '1', groups: '' });
  });

  test('has namespaces that it shares with no other tenant and not with the machine', async () => {
    const { tenants } = await daemon.status();
    for (const kind of ['pid', 'ipc', 'uts', 'mnt', 'cgroup', 'net']) {
      const inodes = tenants.flatMap((tenant) => tenant.apps.flatMap(({ workers }) => workers.map(({ pid }) => namespaceOf(pid, kind))));
      expect(new Set([...inodes, namespaceOf('self', kind)]).size, kind).toBe(3);
    }
  });
});

function factsOf(pid: number) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): string => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1]?.trim() ?? 'missing';
  return {
    uid: field('Uid').split('\t')[0],
    groups: field('Groups'),
    noNewPrivileges: field('NoNewPrivs'),
    capabilities: ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map((name) => BigInt(`0x${field(name)}`).toString()),
  };
}

function namespaceOf(pid: number | 'self', kind: string): string {
  return readlinkSync(`/proc/${pid}/ns/${kind}`);
}
