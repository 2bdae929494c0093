import { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Certs, runCerts } from '../../../src/certs/certs-process.ts';
import type { AcmeConfiguration, CertsConfiguration } from '../../../src/protocol/certs.ts';
import { until } from '../../support/until.ts';
import { ChallengeEdge } from './challenge-edge.ts';
import { FakeDaemon } from './fake-daemon.ts';
import { freePort, PebbleUnderTest } from './pebble-under-test.ts';

let pebble: PebbleUnderTest;
const endings: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  pebble = await PebbleUnderTest.start({ nonceReject: 15 });
}, 30_000);

afterAll(async () => {
  await pebble.stop();
});

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

function acmeOf(changes: Partial<AcmeConfiguration> = {}): AcmeConfiguration {
  return {
    directories: [{ url: pebble.url }],
    email: 'ops@example.com',
    caPem: pebble.certificate.chain,
    resolvers: [pebble.resolver],
    publicAddresses: ['127.0.0.1'],
    challenges: ['http-01', 'tls-alpn-01'],
    ...changes,
  };
}

interface Started {
  daemon: FakeDaemon;
  certs: Certs;
  edge: ChallengeEdge;
}

async function start(names: Record<string, readonly string[]>, configuration: CertsConfiguration, nowMs?: () => number): Promise<Started> {
  const daemon = await FakeDaemon.start({ configuration, names });
  endings.push(() => daemon.remove());
  const edge = await ChallengeEdge.start(daemon.challenges, pebble.httpPort, pebble.tlsPort);
  endings.push(() => edge.close());
  const certs = await runCerts({ ...daemon, ...(nowMs && { nowMs }) });
  endings.push(() => certs.close());
  return { daemon, certs, edge };
}

function issued(daemon: FakeDaemon, count: number, limitMs = 15_000): Promise<void> {
  return until(
    () => daemon.certificates.size === count,
    `${count} certificates`,
    limitMs,
    async () => `${await daemon.explain()}\n${pebble.output}`,
  );
}

function stateOf(daemon: FakeDaemon, name: string, state: string): Promise<void> {
  return until(
    () => daemon.statuses.get(name)?.state === state,
    `${name} is ${state}`,
    15_000,
    () => daemon.explain(),
  );
}

describe('certificates by ACME', () => {
  test('http-01: the key fits, the account is kept, the challenge is removed', async () => {
    const { daemon, edge } = await start({ acme: ['acme.example', 'www.acme.example'] }, { acme: acmeOf() });
    await issued(daemon, 2);
    const leaf = new X509Certificate(daemon.certificates.get('acme.example')?.chain ?? '');
    expect(leaf.checkHost('acme.example')).toBe('acme.example');
    expect(leaf.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
    expect(edge.answered).toContain('http-01 acme.example');
    await until(() => daemon.challenges.size === 0, 'no challenge is left');
    await stateOf(daemon, 'acme.example', 'issued');
    expect(daemon.statuses.get('acme.example')?.issuer).toMatch(/^Pebble Intermediate CA/);
    expect(readdirSync(join(daemon.stateDir, 'accounts')).length).toBe(1);
    // The local CA has nothing to do.
    expect(existsSync(join(daemon.stateDir, 'local-ca/root.pem'))).toBe(false);
  });

  test('tls-alpn-01', async () => {
    const { daemon, edge } = await start({ acme: ['alpn.example'] }, { acme: acmeOf({ challenges: ['tls-alpn-01'] }) });
    await issued(daemon, 1);
    expect(edge.answered).toContain('tls-alpn-01 alpn.example');
  });

  test('dns-01 by the hook: a wildcard, and its record is removed', async () => {
    const { daemon } = await start({}, { acme: acmeOf() });
    const log = join(daemon.directory, 'hook.log');
    const script = new URL('dns-hook.ts', import.meta.url).pathname;
    daemon.configuration = { acme: acmeOf({ dnsHook: [process.execPath, script, pebble.dnsManagement, log] }) };
    daemon.notify('configure', daemon.configuration);
    daemon.setNames('acme', ['*.shops.acme.example']);
    await issued(daemon, 1);
    expect(
      new X509Certificate(daemon.certificates.get('*.shops.acme.example')?.chain ?? '').checkHost('one.shops.acme.example'),
    ).toBeDefined();
    const [present = '', cleanup = ''] = readFileSync(log, 'utf8').split('\n');
    expect(present).toMatch(/^present _acme-challenge\.shops\.acme\.example [\w-]{43}$/);
    expect(cleanup).toBe(present.replace('present', 'cleanup'));
  });

  test('a wildcard without a way to set DNS records says so, and costs no order', async () => {
    const { daemon } = await start({ acme: ['*.acme.example'] }, { acme: acmeOf() });
    await stateOf(daemon, '*.acme.example', 'failed');
    expect(daemon.statuses.get('*.acme.example')?.lastError).toContain('acme.dnsHook');
    expect(existsSync(join(daemon.stateDir, 'ledger/orders.jsonl'))).toBe(false);
  });

  test('a name that points elsewhere is told apart, costs no order, and is tried again on request', async () => {
    await pebble.setAddress('elsewhere.example', ['203.0.113.9']);
    const { daemon } = await start({ acme: ['elsewhere.example'] }, { acme: acmeOf() });
    await stateOf(daemon, 'elsewhere.example', 'failed');
    const status = daemon.statuses.get('elsewhere.example');
    expect(status?.lastError).toContain('points to 203.0.113.9, not to this machine');
    expect(status?.problem).toMatchObject({ kind: 'no-certificate' });
    expect(status?.nextTryMs).toBeGreaterThan(Date.now());
    expect(existsSync(join(daemon.stateDir, 'ledger/orders.jsonl'))).toBe(false);
    expect(await daemon.ask('check-name', { name: 'elsewhere.example' })).toMatchObject({
      verdict: 'elsewhere',
      expected: [{ type: 'A', value: '127.0.0.1' }],
      found: [{ type: 'A', value: '203.0.113.9' }],
    });
    await pebble.setAddress('elsewhere.example', ['127.0.0.1']);
    expect(await daemon.ask('renew', { tenant: 'acme' as never, force: false })).toEqual({ names: ['elsewhere.example'] });
    await issued(daemon, 1);
  });

  test('CAA records that name another CA forbid nothing to a CA that names itself nowhere, and are shown', async () => {
    await pebble.setDns('add-caa', { host: 'caa.example.', policies: [{ tag: 'issue', value: 'other.example' }] });
    const { daemon } = await start({}, { acme: acmeOf() });
    await until(() => daemon.completions === 1, 'it is there');
    const { found, verdict } = await daemon.ask('check-name', { name: 'www.caa.example' });
    expect(verdict).toBe('points-here');
    expect(found).toContainEqual({ name: 'caa.example', type: 'CAA', value: 'issue "other.example"' });
  });

  test('a CA that does not answer is passed over, and the next one in the list is asked', async () => {
    const dead = { url: `https://localhost:${await freePort()}/dir` };
    const { daemon } = await start({ acme: ['fallback.example'] }, { acme: acmeOf({ directories: [dead, { url: pebble.url }] }) });
    await issued(daemon, 1);
  });

  test('a resolver that does not answer makes no dead name', async () => {
    const resolvers = [`127.0.0.1:${await freePort()}`];
    const { daemon } = await start({ acme: ['later.example'] }, { acme: acmeOf({ resolvers }) });
    await until(
      () => daemon.statuses.get('later.example')?.lastError !== undefined,
      'the first try ends',
      15_000,
      () => daemon.explain(),
    );
    expect(daemon.statuses.get('later.example')).toMatchObject({ state: 'waiting', failures: 0 });
    daemon.notify('configure', { acme: acmeOf() });
    await daemon.ask('renew', { tenant: 'acme' as never, force: true });
    await issued(daemon, 1);
  });

  test('a renewal replaces the certificate, and the one before is served until it is there', async () => {
    let offsetMs = 0;
    const { daemon, certs } = await start({ acme: ['renew.example'] }, { acme: acmeOf() }, () => Date.now() + offsetMs);
    await issued(daemon, 1);
    const first = daemon.certificates.get('renew.example');
    const lifetimeMs = (first?.notAfterMs ?? 0) - (first?.notBeforeMs ?? 0);
    offsetMs = lifetimeMs * 0.7;
    certs.engine.planSoon();
    await until(
      () => daemon.certificates.get('renew.example')?.chain !== first?.chain,
      'a new one',
      15_000,
      () => daemon.explain(),
    );
    expect(daemon.heard).not.toContain('remove-certificate');
    expect(daemon.certificates.get('renew.example')?.key).not.toBe(first?.key);
  });

  test('while the CA is gone for an hour all that is issued stays, and orders go on by themselves when it is back', async () => {
    let offsetMs = 0;
    const { daemon, certs } = await start({ acme: ['before.example'] }, { acme: acmeOf() }, () => Date.now() + offsetMs);
    await issued(daemon, 1);
    await pebble.stopCa();
    daemon.setNames('acme', ['before.example', 'after.example']);
    await until(
      () => daemon.statuses.get('after.example')?.lastError !== undefined,
      'a try',
      15_000,
      () => daemon.explain(),
    );
    expect(daemon.statuses.get('after.example')).toMatchObject({ state: 'waiting', failures: 0 });
    expect(daemon.certificates.size).toBe(1);
    // It forgot its accounts and orders meanwhile.
    await pebble.startCa();
    offsetMs = 3_600_000;
    certs.engine.planSoon();
    await issued(daemon, 2);
  });

  test('budgets hold across tenants and restarts, and are told', async () => {
    const budgets = {
      perTenant: { orders: 2, windowMs: 3_600_000 },
      perRegistrableDomain: { orders: 100, windowMs: 3_600_000 },
      total: { orders: 3, windowMs: 3_600_000 },
      concurrentNames: 4,
    };
    const names = { acme: ['a.one.example', 'b.one.example', 'c.one.example'], globex: ['a.two.example', 'b.two.example'] };
    const { daemon, certs } = await start(names, { acme: acmeOf(), budgets });
    await issued(daemon, 3);
    certs.close();
    const again = await runCerts(daemon);
    endings.push(() => again.close());
    await until(() => daemon.completions === 2, 'all is sent again');
    const { names: statuses } = await daemon.ask('list', {});
    const waiting = statuses.filter(({ state }) => state === 'waiting');
    expect(waiting.length).toBe(2);
    for (const { message } of waiting) expect(message).toContain('budget of new orders');
    expect(readFileSync(join(daemon.stateDir, 'ledger/orders.jsonl'), 'utf8').trim().split('\n').length).toBe(3);
  });

  test('a handshake for a name that nobody listed starts nothing', async () => {
    const { daemon } = await start({ acme: ['listed.example'] }, { acme: acmeOf() });
    for (const name of ['stranger.example', 'sub.listed.example', '../../x']) daemon.notify('handshake-without-certificate', { name });
    await issued(daemon, 1);
    expect((await daemon.ask('list', {})).names.length).toBe(1);
    expect(readFileSync(join(daemon.stateDir, 'ledger/orders.jsonl'), 'utf8').trim().split('\n').length).toBe(1);
  });
});
