import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { TenantName } from '../../src/base/ids.ts';
import { parseDaemonConfig } from '../../src/config/daemon-config.ts';
import { noServiceManager } from '../../src/daemon/notify.ts';
import { openMachine, type OpenedMachine } from '../../src/daemon/open-machine.ts';
import { createPaths } from '../../src/daemon/paths.ts';
import { createResolverLink, type ResolverLink } from '../../src/daemon/resolver-link.ts';
import type { OpenAddresses } from '../../src/protocol/resolver.ts';
import { type Answered, askByUdp, encodeQuery, freeDnsPort, readAnswered, typeA } from '../support/dns-query.ts';
import { fromTable, StubDns } from '../support/stub-dns.ts';
import { repositoryPath } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { processFacts } from './probe.ts';

const acme = { tenant: 'acme' as TenantName, addresses: ['127.0.0.2'], names: ['api.test'] };
const silent = { debug() {}, info() {}, warn() {}, error() {} };

let directory: string;
let opened: OpenedMachine;
let stub: StubDns;
let resolver: ResolverLink;
let listen: { host: string; port: number };
let asked: OpenAddresses[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tenantd-resolver-'));
  mkdirSync(`${directory}/tenants`);
  const folders = ['tenants', 'state', 'run', 'logs'].map((name) => `${name === 'logs' ? 'log' : name}Dir: ${directory}/${name}`);
  const { config } = parseDaemonConfig(folders.join('\n'), 'tenantd.yaml');
  if (!config) throw new Error('the configuration is broken');
  const places = { nodeBinary: process.execPath, libDir: repositoryPath('dist'), cgroupBase: undefined, manager: noServiceManager };
  opened = await openMachine({ ...places, config, paths: createPaths(config), log: silent });
  stub = await StubDns.start(fromTable({ 'api.test': [{ type: 'A', value: '198.51.100.7' }] }));
  listen = { host: '127.0.0.1', port: await freeDnsPort() };
  asked = [];
  resolver = createResolverLink(opened.machine, {
    openAddresses(request) {
      asked.push(request);
      return Promise.resolve();
    },
  });
  resolver.configure({ listen: [listen], upstreams: [stub.address] });
});

afterEach(async () => {
  await resolver.stop();
  await stub.close();
  opened.machine.registry.close();
  await opened.machine.groups?.removeBase();
  opened.unlock();
  rmSync(directory, { recursive: true });
});

async function ask(name: string): Promise<Answered | undefined> {
  const answer = await askByUdp({ from: '127.0.0.2', to: listen, query: encodeQuery(name, typeA), limitMs: 250 });
  return answer && readAnswered(answer);
}

async function untilAnswered(name: string): Promise<Answered | undefined> {
  let answer: Answered | undefined;
  await until(async () => (answer = await ask(name)) !== undefined, `an answer for ${name}`);
  return answer;
}

test('it runs while a tenant may ask, as a user of its own, without rights and without files', async () => {
  await resolver.release();
  expect(resolver.pid()).toBe(0);
  await resolver.setTenant(acme);
  expect((await untilAnswered('api.test'))?.addresses).toEqual(['198.51.100.7']);
  expect((await ask('other.test'))?.rcode).toBe(5);
  expect(asked).toEqual([{ tenant: 'acme', name: 'api.test', addresses: [{ address: '198.51.100.7', ttlSeconds: 60 }] }]);

  const pid = resolver.pid();
  const { uids, capabilities, noNewPrivileges } = processFacts(pid);
  const owner = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((line) => line.startsWith('tenantd-resolver:'));
  expect(uids[0]).toBe(Number(owner?.split(':')[2]));
  expect([capabilities, noNewPrivileges]).toEqual([['0', '0', '0', '0', '0'], '1']);
  expect(readdirSync(`/proc/${pid}/root/run/tenantd`)).toEqual(['resolver']);
  expect(readdirSync(`/proc/${pid}/root`)).not.toContain('var');

  await resolver.removeTenant(acme.tenant);
  expect(resolver.pid()).toBe(0);
  expect(readdirSync(`${directory}/run/resolver`)).toEqual([]);
});

test('killed, it comes back and answers', async () => {
  await resolver.release();
  await resolver.setTenant(acme);
  await untilAnswered('api.test');
  const pid = resolver.pid();
  process.kill(pid, 'SIGKILL');
  await until(() => ![0, pid].includes(resolver.pid()), 'another one runs');
  expect((await untilAnswered('api.test'))?.addresses).toEqual(['198.51.100.7']);
  expect(asked.length).toBe(2);
});

test('what a tenant asked for is told to the daemon', async () => {
  await resolver.release();
  await resolver.setTenant(acme);
  await untilAnswered('evil.test');
  await until(() => resolver.countersOf(acme.tenant) !== undefined, 'the counters');
  expect(resolver.countersOf(acme.tenant)).toMatchObject({ lastRefusedName: 'evil.test' });
});
