import { type ChildProcess, spawn } from 'node:child_process';
import { createPrivateKey, randomInt, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { CertsSettings } from '../../../src/protocol/certs.ts';
import { until } from '../../support/until.ts';
import { ChallengeEdge } from './challenge-edge.ts';
import { FakeDaemon } from './fake-daemon.ts';
import { PebbleUnderTest } from './pebble-under-test.ts';

const tenants = 50;
const namesOfTenant = 4;
const kills = 4;
/** What was on its way when it was killed may be ordered again. */
const concurrentNames = 16;
const budget = tenants * namesOfTenant + kills * concurrentNames;

const main = new URL('../../../src/certs/main.ts', import.meta.url).pathname;
const hook = new URL('dns-hook.ts', import.meta.url).pathname;

test(
  'killed at any moment, it brings all names of all tenants to a valid certificate, within the budget',
  { timeout: 90_000 },
  async () => {
    const pebble = await PebbleUnderTest.start({ nonceReject: 10 });
    const window = { windowMs: 86_400_000 };
    const daemon = await FakeDaemon.start({
      configuration: {
        acme: {
          directories: [{ url: pebble.url }],
          ...{ caPem: pebble.certificate.chain, resolvers: [pebble.resolver], publicAddresses: ['127.0.0.1'] },
          challenges: ['http-01', 'tls-alpn-01'],
          dnsHook: [process.execPath, hook, pebble.dnsManagement, join(pebble.directory, 'hook.log')],
        },
        budgets: {
          perTenant: { orders: 10, ...window },
          perRegistrableDomain: { orders: 10, ...window },
          total: { orders: budget, ...window },
          concurrentNames,
        },
      },
      names: Object.fromEntries(Array.from({ length: tenants }, (_, index) => [`tenant-${index}`, namesOf(index)])),
    });
    const edge = await ChallengeEdge.start(daemon.challenges, pebble.httpPort, pebble.tlsPort);
    let child = startCerts(daemon);
    try {
      for (let kill = 0; kill < kills; kill += 1) {
        const heard = daemon.heard.length + randomInt(10, 250);
        await until(
          () => daemon.heard.length >= heard,
          'it works',
          30_000,
          () => daemon.explain(),
        );
        await endCerts(child);
        child = startCerts(daemon);
      }
      await until(
        () => daemon.certificates.size === tenants * namesOfTenant,
        'all certificates',
        60_000,
        () => daemon.explain(),
      );
      for (const [name, { chain, key }] of daemon.certificates) {
        const leaf = new X509Certificate(chain);
        expect(leaf.checkHost(name.replace('*', 'one'))).toBeDefined();
        expect(leaf.checkPrivateKey(createPrivateKey(key))).toBe(true);
      }
      const counted = readFileSync(join(daemon.stateDir, 'ledger/orders.jsonl'), 'utf8').trim().split('\n').length;
      const placed = Number([...pebble.output.matchAll(/There are now (\d+) orders in the db/g)].at(-1)?.[1]);
      expect(placed).toBeGreaterThanOrEqual(tenants * namesOfTenant);
      expect(counted).toBeGreaterThanOrEqual(placed);
      expect(counted).toBeLessThanOrEqual(budget);
      console.log(`${tenants * namesOfTenant} names, ${kills} kills: ${placed} orders placed, ${counted} counted, ${budget} allowed`);
    } finally {
      await endCerts(child);
      await edge.close();
      await daemon.remove();
      await pebble.stop();
    }
  },
);

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
