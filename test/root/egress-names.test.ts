import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StubRecord } from '../support/stub-dns.ts';
import { repositoryPath, startTestDaemon, type TestDaemon, type TenantFiles } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { nameServer, type OutsideRequest, webPort, webServers } from './egress-names-outside.ts';
import { socketOf } from './probe.ts';

/** Answers a request for `/NAME` with what `fetch` of that name says: the address of a web server, or why not. */
const fetchingApp = `
require('node:http').createServer(async (request, response) => {
  const signal = AbortSignal.timeout(8000);
  const told = await fetch('http:/' + request.url + ':${webPort}/', { signal }).then((answer) => answer.text(), (error) => error.cause?.code ?? error.name);
  response.end(told);
}).listen(3000);`;

function tenantThatMayReach(domain: string, egress: string): TenantFiles {
  return {
    'tenant.yaml': `domains: [${domain}]\nnetwork: { egress: ${egress} }\n`,
    'apps/site/server.js': fetchingApp,
    'apps/site/app.yaml': 'kind: node\nentry: server.js\ndrain: 1s\n',
  };
}

const listed = ['api', 'moved', 'inside', 'metadata', 'half-inside', '*.wild'].map((name) => `"${name}.test:${webPort}"`);
const tables = {
  'api.test': [{ type: 'A', value: '198.51.100.7', ttl: 300 }],
  'other.test': [{ type: 'A', value: '198.51.100.9' }],
  'moved.test': [{ type: 'A', value: '198.51.100.7', ttl: 5 }],
  'www.wild.test': [{ type: 'A', value: '198.51.100.8' }],
  'inside.test': [{ type: 'A', value: '10.0.0.5' }],
  'metadata.test': [{ type: 'A', value: '169.254.169.254' }],
  'half-inside.test': [
    { type: 'A', value: '169.254.169.254' },
    { type: 'A', value: '198.51.100.10' },
  ],
} satisfies Record<string, readonly StubRecord[]>;

/** Processes that hold the two namespaces. */
const holders: ChildProcess[] = [];
let outside: ChildProcess;
let daemon: TestDaemon;

async function holdNetwork(): Promise<number> {
  const holder = spawn('unshare', ['--net', '--', 'sh', '-c', 'ip link set lo up; echo ready; exec sleep 3600'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  holders.push(holder);
  await once(holder.stdout, 'data');
  return holder.pid ?? 0;
}

function run(pid: number, ...lines: string[]): void {
  for (const line of lines) execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, '--', ...line.split(' ')]);
}

async function setNames(table: OutsideRequest['table']): Promise<void> {
  outside.send({ table } satisfies OutsideRequest);
  await once(outside, 'message');
}

beforeAll(async () => {
  const [machine, world] = [await holdNetwork(), await holdNetwork()];
  run(
    machine,
    `ip link add uplink type veth peer name inner netns ${world}`,
    'ip address add 198.51.100.2/24 dev uplink',
    'ip link set uplink up',
  );
  run(world, 'ip address add 198.51.100.1/24 dev inner', 'ip link set inner up');
  for (const host of [nameServer, ...webServers]) run(world, `ip address add ${host}/32 dev inner`);
  run(machine, 'ip route add default via 198.51.100.1');
  const main = repositoryPath('test/root/egress-names-outside.ts');
  outside = spawn('nsenter', [`--net=/proc/${world}/ns/net`, '--', process.execPath, main], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  holders.push(outside);
  await once(outside, 'message');
  await setNames(tables);
  daemon = await startTestDaemon({
    wrapper: ['nsenter', `--net=/proc/${machine}/ns/net`, '--'],
    config: `network: { resolvers: ["${nameServer}"] }`,
    tenants: {
      acme: tenantThatMayReach('acme.test', `[${listed.join(', ')}]`),
      globex: tenantThatMayReach('globex.test', 'any'),
      initech: tenantThatMayReach('initech.test', '[]'),
    },
  });
  await daemon.untilApps(['acme/site', 'globex/site', 'initech/site']);
});

afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  for (const holder of holders.splice(0)) holder.kill('SIGKILL');
});

/** What an app of that tenant gets at that name. */
function reach(tenant: string, name: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const request = http.get({ socketPath: socketOf(daemon, tenant, 'site'), path: `/${name}`, agent: false }, (response) => {
    let text = '';
    response.on('data', (chunk: Buffer) => (text += chunk.toString()));
    response.on('end', () => resolve(text));
  });
  request.on('error', reject);
  return promise;
}

describe('an app that connects by name', () => {
  test('reaches a name on the list, and its next address when the answer is over', async () => {
    expect(await reach('acme', 'api.test')).toBe('198.51.100.7');
    expect(await reach('acme', 'moved.test')).toBe('198.51.100.7');
    await setNames({ ...tables, 'moved.test': [{ type: 'A', value: '198.51.100.8', ttl: 5 }] });
    await until(async () => (await reach('acme', 'moved.test')) === '198.51.100.8', 'the name leads to its new address', 20_000);
  });

  test('is not led inside by a name that was public before', async () => {
    await setNames({ ...tables, 'moved.test': [{ type: 'A', value: '10.0.0.5', ttl: 5 }] });
    const isRefused = async (): Promise<boolean> => {
      const told = await reach('acme', 'moved.test');
      expect(told).not.toBe('10.0.0.5');
      return /ENOTFOUND|EAI_AGAIN/.test(told);
    };
    await until(isRefused, 'the new answer is withheld', 20_000);
  });

  test('reaches no other name, and not the address of one', async () => {
    expect(await reach('acme', 'other.test')).toMatch(/ENOTFOUND|EAI_AGAIN/);
    expect(await reach('globex', 'other.test')).toBe('198.51.100.9');
    expect(await reach('acme', '198.51.100.9')).toMatch(/EHOSTUNREACH|ECONNREFUSED|EACCES/);
  });

  test('reaches nothing private, whatever the name server says', async () => {
    expect(await reach('acme', 'inside.test')).toMatch(/ENOTFOUND|EAI_AGAIN/);
    expect(await reach('acme', 'metadata.test')).toMatch(/ENOTFOUND|EAI_AGAIN/);
    expect(await reach('acme', 'half-inside.test')).toBe('198.51.100.10');
    expect(await reach('globex', 'metadata.test')).toMatch(/ENOTFOUND|EAI_AGAIN/);
  });

  test('reaches every public name, when its tenant may reach any', async () => {
    expect(await reach('globex', 'api.test')).toBe('198.51.100.7');
  });

  test('reaches nothing, when its tenant has no list', async () => {
    expect(await reach('initech', 'api.test')).toMatch(/ENOTFOUND|EAI_AGAIN/);
  });

  test('reaches what it knows while the daemon is dead, and more when the next one is there', async () => {
    expect(await reach('acme', 'api.test')).toBe('198.51.100.7');
    await daemon.kill();
    expect(await reach('acme', 'api.test')).toBe('198.51.100.7');
    const waiting = reach('acme', 'www.wild.test');
    await daemon.start();
    expect(await waiting).toBe('198.51.100.8');
    expect(await reach('globex', 'api.test')).toBe('198.51.100.7');
  });
});
