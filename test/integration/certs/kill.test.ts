import { type ChildProcess, spawn } from 'node:child_process';
import { createPrivateKey, randomInt, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import type { AddressChallenge, CertsConfiguration, CertsSettings } from '../../../src/protocol/certs.ts';
import { until } from '../../support/until.ts';
import { ChallengeEdge } from './challenge-edge.ts';
import { FakeDaemon } from './fake-daemon.ts';
import { PebbleUnderTest } from './pebble-under-test.ts';

const tenants = 50;
const namesOfTenant = 4;
const kills = 4;
/** Renewed afterwards, by so many tenants, with so many kills. */
const renewers = 8;
const killsOfRenewal = 2;
/** What was on its way when it was killed may be ordered again. */
const concurrentNames = 16;
const budget = (tenants + renewers) * namesOfTenant + (kills + killsOfRenewal) * concurrentNames;

const main = new URL('../../../src/certs/main.ts', import.meta.url).pathname;
const hook = new URL('dns-hook.ts', import.meta.url).pathname;

test(
  'killed at any moment, it brings all names of all tenants to a valid certificate, and renews them, within the budget',
  { timeout: 120_000 },
  async () => {
    const pebble = await PebbleUnderTest.start({ nonceReject: 10 });
    const used = new Set<string>();
    const daemon = await FakeDaemon.start({
      configuration: configurationOf(pebble, ['http-01', 'tls-alpn-01']),
      names: Object.fromEntries(Array.from({ length: tenants }, (_, index) => [`tenant-${index}`, namesOf(index)])),
      onChallenge: ({ type }) => void used.add(type),
    });
    const edge = await ChallengeEdge.start(daemon.challenges, pebble.httpPort, pebble.tlsPort);
    let child = startCerts(daemon);
    try {
      for (let kill = 0; kill < kills; kill += 1) {
        await untilHeard(daemon, randomInt(10, 250));
        await endCerts(child);
        if (kill === 1) daemon.configuration = configurationOf(pebble, ['tls-alpn-01', 'http-01']);
        child = startCerts(daemon);
      }
      await until(
        () => daemon.certificates.size === tenants * namesOfTenant,
        'all certificates',
        60_000,
        () => daemon.explain(),
      );
      expectAllToFit(daemon);
      expect([...used].sort()).toEqual(['http-01', 'tls-alpn-01']);
      const before = new Map([...daemon.certificates].map(([name, { chain }]) => [name, chain]));
      const toRenew = Array.from({ length: renewers }, (_, index) => namesOf(index)).flat();
      const left = (): string[] => toRenew.filter((name) => daemon.certificates.get(name)?.chain === before.get(name));
      for (let kill = 0; kill < killsOfRenewal; kill += 1) {
        await renewTenantsOf(daemon, left());
        await untilHeard(daemon, randomInt(10, 60));
        await endCerts(child);
        child = startCerts(daemon);
        await untilHeard(daemon, 1);
      }
      await renewTenantsOf(daemon, left());
      await until(
        () => left().length === 0,
        'all are renewed',
        60_000,
        () => daemon.explain(),
      );
      expectAllToFit(daemon);
      const counted = readFileSync(join(daemon.stateDir, 'ledger/orders.jsonl'), 'utf8').trim().split('\n').length;
      const placed = Number([...pebble.output.matchAll(/There are now (\d+) orders in the db/g)].at(-1)?.[1]);
      expect(placed).toBeGreaterThanOrEqual((tenants + renewers) * namesOfTenant);
      expect(counted).toBeGreaterThanOrEqual(placed);
      expect(counted).toBeLessThanOrEqual(budget);
    } finally {
      await endCerts(child);
      await edge.close();
      await daemon.remove();
      await pebble.stop();
    }
  },
);

function configurationOf(pebble: PebbleUnderTest, challenges: readonly AddressChallenge[]): CertsConfiguration {
  const window = { windowMs: 86_400_000 };
  return {
    acme: {
      directories: [{ url: pebble.url }],
      ...{ caPem: pebble.certificate.chain, resolvers: [pebble.resolver], publicAddresses: ['127.0.0.1'], challenges },
      dnsHook: [process.execPath, hook, pebble.dnsManagement, join(pebble.directory, 'hook.log')],
    },
    budgets: {
      perTenant: { orders: 30, ...window },
      perRegistrableDomain: { orders: 10, ...window },
      total: { orders: budget, ...window },
      concurrentNames,
    },
  };
}

async function untilHeard(daemon: FakeDaemon, messages: number): Promise<void> {
  const wanted = daemon.heard.length + messages;
  await until(
    () => daemon.heard.length >= wanted,
    'it works',
    30_000,
    () => daemon.explain(),
  );
}

/** What is asked for by somebody is forgotten when it is killed, as somebody sees. */
async function renewTenantsOf(daemon: FakeDaemon, names: readonly string[]): Promise<void> {
  const owners = Object.entries(daemon.names).filter(([, owned]) => owned.some((name) => names.includes(name)));
  for (const [tenant] of owners) await daemon.ask('renew', { tenant: tenant as TenantName, force: true });
}

function expectAllToFit(daemon: FakeDaemon): void {
  for (const [name, { chain, key }] of daemon.certificates) {
    const leaf = new X509Certificate(chain);
    expect(leaf.checkHost(name.replace('*', 'one'))).toBeDefined();
    expect(leaf.checkPrivateKey(createPrivateKey(key))).toBe(true);
  }
}

function namesOf(tenant: number): string[] {
  const domain = `customer-${tenant}.example`;
  const wildcards = tenant % 10 === 0 ? [`*.shops.${domain}`] : [`shop.${domain}`];
  return [domain, `www.${domain}`, `api.${domain}`, ...wildcards];
}

function startCerts({ controlSocket, stateDir }: FakeDaemon): ChildProcess {
  const settings: CertsSettings = { controlSocket, stateDir };
  return spawn(process.execPath, [main, JSON.stringify(settings)], { stdio: 'inherit' });
}

async function endCerts(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => {
    child.once('exit', resolve);
  });
  child.kill('SIGKILL');
  await ended;
}
