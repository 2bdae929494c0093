import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { existsSync } from 'node:fs';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import {
  type EgressWorld,
  inApp,
  machineAddresses,
  machinePort,
  makeEgressWorld,
  outsideAddresses,
  reachingTenant,
} from './egress-world.ts';

const lists = {
  acme: '["203.0.113.10/32:8080", "10.0.0.0/24:8080", "[2001:db8:2::]/64:8080", "0.0.0.0/0:9090"]',
  // Of the machine, of the cloud, of other tenants: by name.
  near: '["198.51.100.2/32:8080", "169.254.169.254/32:8080", "10.213.0.0/16:4000"]',
  open: 'any',
  closed: '[]',
};
const refused = /^(EHOSTUNREACH|ECONNREFUSED|EACCES)$/;

let world: EgressWorld;
let daemon: TestDaemon;

beforeAll(async () => {
  world = await makeEgressWorld();
  const tenants = Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, reachingTenant(name, list)]));
  daemon = await startTestDaemon({ wrapper: world.machine.enter, tenants });
  await daemon.untilApps(Object.keys(lists).map((name) => `${name}/site`));
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  world?.close();
});

async function inTenant(tenant: string, ...command: string[]): Promise<string> {
  const pid = (await daemon.app(tenant, 'site')).workers[0]?.pid ?? 0;
  return world.machine.run(`nsenter --net=/proc/${pid}/ns/net -- ${command.join(' ')}`);
}

async function addressOf(tenant: string): Promise<string> {
  const shown = JSON.parse(await inTenant(tenant, 'ip -json -4 address show dev eth0')) as { addr_info: { local: string }[] }[];
  return shown[0]?.addr_info[0]?.local ?? '';
}

async function packetsRefused(tenant: string): Promise<number> {
  return (await daemon.tenant(tenant)).network?.refused ?? 0;
}

function writeList(tenant: string, list: string): void {
  const { 'tenant.yaml': file = '' } = reachingTenant(tenant, list);
  daemon.writeTenant(tenant, { 'tenant.yaml': file });
}

describe('a tenant without a list', () => {
  test.each([...outsideAddresses, ...machineAddresses])('has no way to %s, and hears so at once', async (address) => {
    expect(await inApp(daemon, 'closed', `tcp ${address} 8080`)).toBe('ENETUNREACH');
  });

  test('has no device but its loopback', async () => {
    expect((await inTenant('closed', 'ip -oneline link show')).trim().split('\n').length).toBe(1);
    expect((await daemon.tenant('closed')).network).toBeUndefined();
  });
});

describe('a tenant with a list', () => {
  test.each([
    ['an address', '203.0.113.10 8080', '203.0.113.10 sees 198.51.100.2'],
    ['a private block', '10.0.0.5 8080', '10.0.0.5 sees 198.51.100.2'],
    ['a block of IPv6', '2001:db8:2::10 8080', '2001:db8:2::10 sees 2001:db8:1::2'],
    ['every public address at a port', '203.0.113.20 9090', '203.0.113.20 sees 198.51.100.2'],
  ])('reaches %s of it by TCP and UDP', async (_, where, told) => {
    expect(await inApp(daemon, 'acme', `tcp ${where}`)).toBe(told);
    expect(await inApp(daemon, 'acme', `udp ${where}`)).toBe(told);
  });

  test.each([
    ['another address', '203.0.113.20 8080'],
    ['another block of IPv6', '2001:db8:3::10 8080'],
    ['another private block', '10.0.1.5 8080'],
    ['another port', '10.0.0.5 9090'],
    ["a cloud's metadata by a wide block", '169.254.169.254 9090'],
    ['a private address by a wide block', '192.168.7.7 9090'],
    ['the machine', `198.51.100.2 ${machinePort}`],
    ['the machine by a wide block', '198.51.100.2 9090'],
    ['the machine by IPv6', `2001:db8:1::2 ${machinePort}`],
    ['the machine by its gateway', `10.213.0.1 ${machinePort}`],
    ['the resolver by its own port with nothing to say', '10.213.0.1 9090'],
  ])('does not reach %s', async (_, where) => {
    expect(await inApp(daemon, 'acme', `tcp ${where}`)).toMatch(refused);
  });

  test('reaches what is private, and what is the machine, when it is named as such', async () => {
    expect(await inApp(daemon, 'near', 'tcp 198.51.100.2 8080')).toMatch(/^198\.51\.100\.2 sees 10\.213\./);
    expect(await inApp(daemon, 'near', 'udp 198.51.100.2 8080')).toMatch(/^198\.51\.100\.2 sees 10\.213\./);
    expect(await inApp(daemon, 'near', 'tcp 169.254.169.254 8080')).toBe('169.254.169.254 sees 198.51.100.2');
    expect(await inApp(daemon, 'near', 'tcp 198.51.100.2 9090')).toMatch(refused);
  });

  test('never reaches another tenant, whatever its list says', async () => {
    const address = await addressOf('acme');
    expect(address).toMatch(/^10\.213\./);
    expect(await inApp(daemon, 'near', `tcp ${address} 4000`)).toMatch(refused);
    expect(await inApp(daemon, 'open', `tcp ${address} 4000`)).toMatch(refused);
  });
});

describe('a tenant that may reach any', () => {
  test.each(['203.0.113.20 8080', '203.0.113.10 9090', '2001:db8:3::10 8080'])('reaches %s', async (where) => {
    expect(await inApp(daemon, 'open', `tcp ${where}`)).toMatch(/ sees /);
    expect(await inApp(daemon, 'open', `udp ${where}`)).toMatch(/ sees /);
  });

  test.each([...['10.0.0.5', '192.168.7.7', '169.254.169.254', '100.100.100.200', 'fd00:ec2::254'], ...machineAddresses, '10.213.0.1'])(
    'does not reach %s',
    async (address) => {
      expect(await inApp(daemon, 'open', `tcp ${address} 8080`)).toMatch(refused);
    },
  );
});

describe('packets', () => {
  test('with an address of another are dropped and counted', async () => {
    const [before, foreign] = [await packetsRefused('acme'), await addressOf('open')];
    const send = (from: string): string =>
      `perl -MSocket -e socket(S,2,2,0);bind(S,pack_sockaddr_in(0,inet_aton("${from}")))||die;send(S,"spoofed",0,pack_sockaddr_in(8080,inet_aton("203.0.113.10")))||die`;
    for (const from of [foreign, '198.51.100.77']) {
      await inTenant('acme', `ip address add ${from}/32 dev eth0`);
      await inTenant('acme', send(from));
      await inTenant('acme', `ip address delete ${from}/32 dev eth0`);
    }
    await until(async () => (await packetsRefused('acme')) >= before + 2, 'both were counted');
    expect((await world.arrived()).filter((line) => line.startsWith('spoofed'))).toEqual([]);
    await inTenant('acme', send(await addressOf('acme')));
    await until(async () => (await world.arrived()).includes('spoofed from 198.51.100.2'), 'the same with its own address arrives');
  });

  test('of other protocols are refused, also to what is on the list', async () => {
    const before = await packetsRefused('acme');
    await inTenant(
      'acme',
      `perl -MSocket -e socket(S,2,3,132)||die;send(S,"xxxxxxxxxxxx",0,pack_sockaddr_in(0,inet_aton("203.0.113.10")))||die`,
    );
    await until(async () => (await packetsRefused('acme')) > before, 'it was counted');
    expect(await world.arrived()).not.toContain('xxxxxxxxxxxx');
  });

  test('of the machine itself and its neighbours are nobody else’s: it is no router for them', async () => {
    const send = (to: string): string =>
      `perl -MSocket -e socket(S,2,2,0);send(S,"routed",0,pack_sockaddr_in(8080,inet_aton("${to}")))||die`;
    expect(world.machine.run('cat /proc/sys/net/ipv4/ip_forward').trim()).toBe('1');
    world.neighbour.run(send('203.0.113.10'));
    world.machine.run(send('203.0.113.10'));
    await until(async () => (await world.arrived()).includes('routed from 198.51.100.2'), "the machine's own arrives");
    expect((await world.arrived()).filter((line) => line.startsWith('routed'))).toEqual(['routed from 198.51.100.2']);
  });
});

describe('a list that changes while its tenant runs', () => {
  test('opens what is new at once, and cuts what is gone', async () => {
    const { pid } = (await daemon.app('acme', 'site')).workers[0] ?? {};
    expect(await inApp(daemon, 'acme', 'open 203.0.113.10 8080')).toMatch(/sees/);
    writeList('acme', '["203.0.113.10/32:8080", "203.0.113.20/32:8080"]');
    await until(async () => (await inApp(daemon, 'acme', 'tcp 203.0.113.20 8080')).includes('sees'), 'the new one is open');
    expect(await inApp(daemon, 'acme', 'say')).toBe('still here');
    writeList('acme', '["203.0.113.20/32:8080"]');
    await until(async () => refused.test(await inApp(daemon, 'acme', 'tcp 203.0.113.10 8080')), 'the old one is closed');
    expect(await inApp(daemon, 'acme', 'say')).toBe('ECONNRESET');
    expect((await daemon.app('acme', 'site')).workers[0]?.pid).toBe(pid);
  });

  test('that becomes empty takes the device away, and one that is filled again brings it back', async () => {
    writeList('acme', '[]');
    await until(async () => (await inApp(daemon, 'acme', 'tcp 203.0.113.20 8080')) === 'ENETUNREACH', 'there is no way out');
    expect((await daemon.tenant('acme')).network).toBeUndefined();
    writeList('acme', lists.acme);
    await until(async () => (await inApp(daemon, 'acme', 'tcp 203.0.113.10 8080')).includes('sees'), 'it is open again');
  });
});

describe('the daemon', () => {
  test('counts what goes out, comes in and is refused', async () => {
    const { network: before } = await daemon.tenant('open');
    await inApp(daemon, 'open', 'tcp 203.0.113.20 8080');
    await inApp(daemon, 'open', 'tcp 10.0.0.5 8080');
    const { network } = await daemon.tenant('open');
    expect(network?.bytesOut).toBeGreaterThan(before?.bytesOut ?? Infinity);
    expect(network?.bytesIn).toBeGreaterThan(before?.bytesIn ?? Infinity);
    expect(network?.refused).toBeGreaterThan(before?.refused ?? Infinity);
  });

  test('is needed for no connection, and the next one takes all up as it is', async () => {
    expect(await inApp(daemon, 'open', 'open 203.0.113.20 8080')).toMatch(/sees/);
    const { network: before } = await daemon.tenant('open');
    await daemon.kill();
    expect(await inApp(daemon, 'open', 'say')).toBe('still here');
    expect(await inApp(daemon, 'open', 'tcp 10.0.0.5 8080')).toMatch(refused);
    writeList('acme', '[]');
    await daemon.start();
    await daemon.untilApps(['open/site', 'acme/site']);
    expect(await inApp(daemon, 'open', 'say')).toBe('still here');
    expect((await daemon.tenant('open')).network?.bytesOut).toBeGreaterThan(before?.bytesOut ?? Infinity);
    expect(await inApp(daemon, 'acme', 'tcp 203.0.113.10 8080')).toBe('ENETUNREACH');
  });

  test('leaves nothing when it stops', async () => {
    const device = /\btd[0-9a-f]{8}/;
    expect(world.machine.run('ip -oneline link show')).toMatch(device);
    expect(world.machine.run('nft list tables')).toContain('tenantd-');
    expect(await daemon.stop()).toBe(0);
    expect(world.machine.run('ip -oneline link show')).not.toMatch(device);
    expect(world.machine.run('nft list tables')).toBe('');
    for (const file of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding'])
      expect(world.machine.run(`cat /proc/sys/net/${file}`).trim()).toBe('0');
    expect(existsSync(`${daemon.directory}/run/forwarding.json`)).toBe(false);
  });
});
