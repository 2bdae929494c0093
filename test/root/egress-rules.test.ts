import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EgressAnswer, EgressCall } from '../support/egress-process.ts';
import { connectNetworks, makeNetwork, type TestNetwork } from '../support/network-world.ts';
import { repositoryPath } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { outsideServers } from './egress-outside.ts';

const [first, second] = ['203.0.113.10', '203.0.113.20'] as const;
const list = [
  { host: 'api.example', port: 8_080 },
  { host: '*.shop.example', port: 8_080 },
  { block: '10.0.0.0/24', port: 5_432 },
];
const table = (): string => /tenantd-[0-9a-f]{8}/.exec(machine.run('nft list tables'))?.[0] ?? '';

let directory: string;
let machine: TestNetwork;
let outside: TestNetwork;
let tenant: TestNetwork;
let daemon: ChildProcess;

beforeEach(async () => {
  directory = mkdtempSync(`${tmpdir()}/tenantd-egress-`);
  [machine, outside, tenant] = [await makeNetwork(), await makeNetwork(), await makeNetwork()];
  connectNetworks({ network: machine, device: 'uplink' }, { network: outside, device: 'downlink' });
  machine.run('ip address add 198.51.100.2/24 dev uplink', 'ip route add default via 198.51.100.1');
  outside.run('ip address add 198.51.100.1/24 dev downlink', ...[first, second].map((address) => `ip address add ${address} dev downlink`));
  await outside.start(process.execPath, outsideServers, first, second);
  await startDaemon();
});

afterEach(() => {
  daemon?.kill('SIGKILL');
  for (const network of [machine, outside, tenant]) network?.close();
  rmSync(directory, { recursive: true });
});

async function startDaemon(): Promise<void> {
  const main = repositoryPath('test/support/egress-process.ts');
  const [program = '', ...before] = machine.enter;
  daemon = spawn(program, [...before, process.execPath, main, directory], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  await once(daemon, 'message');
}

async function call(method: EgressCall['method'], ...parameters: unknown[]): Promise<unknown> {
  const answered = once(daemon, 'message');
  daemon.send({ method, parameters } satisfies EgressCall);
  const [answer] = (await answered) as [EgressAnswer];
  if ('error' in answer) throw new Error(answer.error);
  return answer.result;
}

const network = (): { path: string } => ({ path: `/proc/${tenant.pid}/ns/net` });
const set = (targets: unknown): Promise<unknown> => call('set', 'acme1', network(), targets);
const open = (name: string, address: string): Promise<unknown> =>
  call('openAddresses', { tenant: 'acme1', name, addresses: [{ address, ttlSeconds: 60 }] });
const faults = async (): Promise<string[]> => ((await call('drift', ['acme1'])) as { acme1: string[] }).acme1;

/** A connection from inside: a program of the tenant's network that says what it hears. */
async function connect(address: string): Promise<{ say: (word: string) => Promise<string> }> {
  const script = `
    const socket = require('node:net').connect(8080, '${address}');
    socket.on('data', (data) => process.stdout.write(data));
    socket.on('error', (error) => process.stdout.write(error.code));
    process.stdin.on('data', (data) => socket.write(data));`;
  const child = await tenant.start(process.execPath, '-e', script);
  return {
    async say(word) {
      child.stdin?.write(word);
      const [data] = (await once(child.stdout ?? child, 'data')) as [Buffer];
      return data.toString();
    },
  };
}

const connectOnce = `
  const socket = require('node:net').connect(8080, process.argv[2]);
  socket.on('data', () => { process.stdout.write('connected'); process.exit() });
  socket.on('error', (error) => process.stdout.write(error.code));`;

function tryToConnect(address: string): string {
  writeFileSync(`${directory}/connect.cjs`, connectOnce);
  return tenant.run(`${process.execPath} ${directory}/connect.cjs ${address}`);
}

describe('an address of a name', () => {
  beforeEach(() => set(list));

  test('is open when it was opened, for its port alone', async () => {
    expect(tryToConnect(first)).toBe('EHOSTUNREACH');
    await open('api.example', first);
    expect(tryToConnect(first)).toBe('connected');
    expect(tryToConnect(second)).toBe('EHOSTUNREACH');
    await open('deep.within.shop.example', second);
    expect(tryToConnect(second)).toBe('connected');
  });

  test('of another name, or that is private, is not opened', async () => {
    await expect(open('other.example', first)).rejects.toThrow('TENANTD_E_DENIED');
    await expect(open('shop.example', first)).rejects.toThrow('TENANTD_E_DENIED');
    await expect(open('api.example', '10.0.0.5')).rejects.toThrow('TENANTD_E_DENIED');
    await expect(open('api.example', '169.254.169.254')).rejects.toThrow('TENANTD_E_DENIED');
    expect(tryToConnect(first)).toBe('EHOSTUNREACH');
  });

  test('whose time is over is closed for new connections, and stays open for those that are', async () => {
    await open('api.example', first);
    const connection = await connect(first);
    machine.run(`nft delete element inet ${table()} acme1.open4 { ${first} . 8080 }`);
    expect(tryToConnect(first)).toBe('EHOSTUNREACH');
    expect(await connection.say('still here')).toBe('still here');
  });

  test('is closed with its name, and connections to it end; those of other names go on', async () => {
    await open('api.example', first);
    await open('a.shop.example', second);
    const [gone, kept] = [await connect(first), await connect(second)];
    await set(list.slice(1));
    expect(await gone.say('still here')).toBe('ECONNRESET');
    expect(await kept.say('still here')).toBe('still here');
    expect([tryToConnect(first), tryToConnect(second)]).toEqual(['EHOSTUNREACH', 'connected']);
  });

  test('stays open when other parts of the list change', async () => {
    await open('api.example', first);
    const connection = await connect(first);
    await set([...list, { block: '192.0.2.0/24', port: 80 }]);
    expect(await connection.say('still here')).toBe('still here');
    expect(tryToConnect(first)).toBe('connected');
  });

  test('outlives the daemon, unless its name was taken from the list meanwhile', async () => {
    await open('api.example', first);
    const connection = await connect(first);
    daemon.kill('SIGKILL');
    await startDaemon();
    await set(list);
    expect(await connection.say('still here')).toBe('still here');
    daemon.kill('SIGKILL');
    await startDaemon();
    await set(list.slice(1));
    expect(await connection.say('still here')).toBe('ECONNRESET');
    expect(tryToConnect(first)).toBe('EHOSTUNREACH');
  });
});

describe('what is not as it was set', () => {
  test.each<[string, (name: string) => string, string]>([
    ['a rule that was taken out', (name) => `nft flush chain inet ${name} acme1.to-world`, 'rules of acme1.to-world: missing'],
    ['a rule that was put in', (name) => `nft insert rule inet ${name} acme1.to-world accept`, 'rules of acme1.to-world: changed'],
    ['a rule of all', (name) => `nft insert rule inet ${name} to-machine accept`, 'rules of to-machine: changed'],
    ['an emptied block list', (name) => `nft flush set inet ${name} acme1.named4`, 'elements of acme1.named4: missing'],
    [
      'another block',
      (name) => `nft add element inet ${name} acme1.wide4 { 192.0.2.0/24 . 80 }`,
      'elements of acme1.wide4: not of tenantd',
    ],
    ['a lost source address', (name) => `nft flush set inet ${name} sources4`, 'elements of sources4: missing'],
    ['a device that is down', () => 'ip link set dev DEVICE down', 'link DEVICE: missing, or without its addresses or routes'],
    ['forwarding that is turned off', () => 'sysctl -qw net.ipv4.ip_forward=0', 'forwarding: turned off'],
    ['a device that is gone', () => 'ip link delete DEVICE', 'link DEVICE: missing, or without its addresses or routes'],
  ])('is found and mended: %s', async (_, command, fault) => {
    await set(list);
    await open('api.example', first);
    expect(await faults()).toEqual([]);
    const device = /td[0-9a-f]{8}\w*/.exec(machine.run('ip -oneline link show'))?.[0] ?? '';
    machine.run(command(table()).replace('DEVICE', device));
    expect(await faults()).toContain(fault.replace('DEVICE', device));
    await call('mend', 'acme1');
    expect(await faults()).toEqual([]);
    expect(tryToConnect(first)).toBe('connected');
  });
});

test('rules that another program takes away are back at once', async () => {
  await set(list);
  await open('api.example', first);
  const connection = await connect(first);
  machine.run('nft flush ruleset');
  await until(async () => (await faults()).length === 0, 'the rules are back');
  expect(await connection.say('still here')).toBe('still here');
  expect([tryToConnect(first), tryToConnect(second)]).toEqual(['connected', 'EHOSTUNREACH']);
});

describe('where it can not be had', () => {
  test('a network that is used already is refused, and nothing is opened', async () => {
    machine.run('ip route add 10.213.7.0/24 via 198.51.100.1');
    await expect(set(list)).rejects.toThrow(
      "TENANTD_E_EGRESS 10.213.0.0/16 is for tenants' links, but the machine has a route to 10.213.7.0/24",
    );
    expect(machine.run('nft list tables')).toBe('');
    expect(tenant.run('ip -oneline link show').trim().split('\n').length).toBe(1);
  });

  test('a tenant whose rules fail has no device, and has it again when they are set', async () => {
    await set(list);
    await call('remove', 'acme1');
    machine.run(`nft add set inet ${table()} acme1.named4 { type ipv4_addr; }`);
    await expect(set(list)).rejects.toThrow('TENANTD_E_EGRESS it reaches nothing: /dev/stdin:');
    expect(tenant.run('ip -oneline link show').trim().split('\n').length).toBe(1);
    machine.run(`nft delete set inet ${table()} acme1.named4`);
    await set(list);
    expect(await faults()).toEqual([]);
  });

  test('a machine that was a router before stays one', async () => {
    machine.run('sysctl -qw net.ipv4.ip_forward=1');
    await set(list);
    await call('remove', 'acme1');
    await call('close');
    expect(machine.run('cat /proc/sys/net/ipv4/ip_forward').trim()).toBe('1');
    expect(machine.run('nft list tables')).toBe('');
  });

  test('what a daemon left of tenants that nobody knows is swept away', async () => {
    await set(list);
    daemon.kill('SIGKILL');
    tenant.close();
    await until(() => !/td[0-9a-f]{8}/.test(machine.run('ip -oneline link show')), 'the link is gone with its network');
    await startDaemon();
    await call('sweep');
    expect(machine.run('nft list tables')).toBe('');
    expect(machine.run('cat /proc/sys/net/ipv4/ip_forward').trim()).toBe('0');
  });
});

test('the servers outside answer without any rules: what is refused is refused by them', () => {
  const connectTo = (address: string): string =>
    `perl -MSocket -e socket(S,2,1,0);connect(S,pack_sockaddr_in(8080,inet_aton("${address}")))||die;print("ok")`;
  expect([machine.run(connectTo(first)), machine.run(connectTo(second))]).toEqual(['ok', 'ok']);
});
