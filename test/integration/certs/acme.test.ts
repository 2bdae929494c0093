import { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { until } from '../../support/until.ts';
import { withPebble } from './certs-under-test.ts';
import { freePort } from './pebble-under-test.ts';

const { pebble, acmeOf, start } = withPebble({ nonceReject: 15 });

describe('certificates by ACME', () => {
  test('http-01: the key fits, the account is kept, the challenge is removed', async () => {
    const started = await start({ acme: ['acme.example', 'www.acme.example'] }, { acme: acmeOf() });
    const { daemon } = started;
    await started.issued(2);
    const leaf = new X509Certificate(daemon.certificates.get('acme.example')?.chain ?? '');
    expect(leaf.checkHost('acme.example')).toBe('acme.example');
    expect(leaf.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
    expect(started.edge.answered).toContain('http-01 acme.example');
    await until(() => daemon.challenges.size === 0, 'no challenge is left');
    await started.state('acme.example', 'issued');
    expect(daemon.statuses.get('acme.example')?.issuer).toMatch(/^Pebble Intermediate CA/);
    expect(readdirSync(join(daemon.stateDir, 'accounts')).length).toBe(1);
    // The local CA has nothing to do.
    expect(existsSync(join(daemon.stateDir, 'local-ca/root.pem'))).toBe(false);
  });

  test('tls-alpn-01', async () => {
    const started = await start({ acme: ['alpn.example'] }, { acme: acmeOf({ challenges: ['tls-alpn-01'] }) });
    await started.issued(1);
    expect(started.edge.answered).toContain('tls-alpn-01 alpn.example');
  });

  test('a name that fails for a day is set aside, and tried again when its DNS changes', async () => {
    await pebble().setAddress('dead.example', ['203.0.113.9']);
    const started = await start({ acme: ['dead.example'] }, { acme: acmeOf() });
    for (let day = 0; started.daemon.statuses.get('dead.example')?.state !== 'set-aside' && day < 20; day += 1) {
      await until(() => ['failed', 'set-aside'].includes(started.daemon.statuses.get('dead.example')?.state ?? ''), 'it fails');
      started.daemon.statuses.delete('dead.example');
      started.advance(86_400_000);
      await until(
        () => started.daemon.statuses.get('dead.example')?.state !== 'checking' && started.daemon.statuses.has('dead.example'),
        'it fails again',
      );
    }
    await started.state('dead.example', 'set-aside');
    expect(started.daemon.statuses.get('dead.example')?.problem?.message).toContain('203.0.113.9');
    await started.certs.housekeeping.run();
    expect(started.daemon.statuses.get('dead.example')?.state).toBe('set-aside');
    await pebble().setAddress('dead.example', ['127.0.0.1']);
    started.advance(7_200_000);
    await started.certs.housekeeping.run();
    await started.issued(1);
  });

  test('a name that points elsewhere is told apart, costs no order, and is tried again on request', async () => {
    await pebble().setAddress('elsewhere.example', ['203.0.113.9']);
    const started = await start({ acme: ['elsewhere.example'] }, { acme: acmeOf() });
    const { daemon } = started;
    await started.state('elsewhere.example', 'failed');
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
    await pebble().setAddress('elsewhere.example', ['127.0.0.1']);
    expect(await daemon.ask('renew', { tenant: 'acme' as never, force: false })).toEqual({ names: ['elsewhere.example'] });
    await started.issued(1);
  });

  test('CAA records that name another CA forbid nothing to a CA that names itself nowhere, and are shown', async () => {
    await pebble().setDns('add-caa', { host: 'caa.example.', policies: [{ tag: 'issue', value: 'other.example' }] });
    const started = await start({}, { acme: acmeOf() });
    const { daemon } = started;
    await until(() => daemon.completions === 1, 'it is there');
    const { found, verdict } = await daemon.ask('check-name', { name: 'www.caa.example' });
    expect(verdict).toBe('points-here');
    expect(found).toContainEqual({ name: 'caa.example', type: 'CAA', value: 'issue "other.example"' });
  });

  test('a CA that does not answer is passed over, and the next one in the list is asked', async () => {
    const dead = { url: `https://localhost:${await freePort()}/dir` };
    const started = await start({ acme: ['fallback.example'] }, { acme: acmeOf({ directories: [dead, { url: pebble().url }] }) });
    await started.issued(1);
    expect(started.daemon.certificates.get('fallback.example')?.issuer).toMatch(/^Pebble/);
  });

  test('a resolver that does not answer makes no dead name', async () => {
    const resolvers = [`127.0.0.1:${await freePort()}`];
    const started = await start({ acme: ['later.example'] }, { acme: acmeOf({ resolvers }) });
    const { daemon } = started;
    await until(
      () => daemon.statuses.get('later.example')?.lastError !== undefined,
      'the first try ends',
      15_000,
      () => daemon.explain(),
    );
    expect(daemon.statuses.get('later.example')).toMatchObject({ state: 'waiting', failures: 0 });
    daemon.notify('configure', { acme: acmeOf() });
    await daemon.ask('renew', { tenant: 'acme' as never, force: true });
    await started.issued(1);
  });

  test('a renewal replaces the certificate, and the one before is served until it is there', async () => {
    const started = await start({ acme: ['renew.example'] }, { acme: acmeOf() });
    const { daemon } = started;
    await started.issued(1);
    const first = daemon.certificates.get('renew.example');
    const lifetimeMs = (first?.notAfterMs ?? 0) - (first?.notBeforeMs ?? 0);
    started.advance(lifetimeMs * 0.7);
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
    const started = await start({ acme: ['before.example'] }, { acme: acmeOf() });
    const { daemon } = started;
    await started.issued(1);
    await pebble().stopCa();
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
    await pebble().startCa();
    started.advance(3_600_000);
    await started.issued(2);
  });

  test('budgets hold across tenants and restarts, and are told', async () => {
    const budgets = {
      perTenant: { orders: 2, windowMs: 3_600_000 },
      perRegistrableDomain: { orders: 100, windowMs: 3_600_000 },
      total: { orders: 3, windowMs: 3_600_000 },
      concurrentNames: 4,
    };
    const names = { acme: ['a.one.example', 'b.one.example', 'c.one.example'], globex: ['a.two.example', 'b.two.example'] };
    const started = await start(names, { acme: acmeOf(), budgets });
    const { daemon } = started;
    await started.issued(3);
    await started.restart();
    await until(() => daemon.completions === 2, 'all is sent again');
    const { names: statuses } = await daemon.ask('list', {});
    const waiting = statuses.filter(({ state }) => state === 'waiting');
    expect(waiting.length).toBe(2);
    for (const { message } of waiting) expect(message).toContain('budget of new orders');
    expect(readFileSync(join(daemon.stateDir, 'ledger/orders.jsonl'), 'utf8').trim().split('\n').length).toBe(3);
  });

  test('a handshake for a name that nobody listed starts nothing', async () => {
    const started = await start({ acme: ['listed.example'] }, { acme: acmeOf() });
    const { daemon } = started;
    for (const name of ['stranger.example', 'sub.listed.example', '../../x']) daemon.notify('handshake-without-certificate', { name });
    await started.issued(1);
    expect((await daemon.ask('list', {})).names.length).toBe(1);
    expect(readFileSync(join(daemon.stateDir, 'ledger/orders.jsonl'), 'utf8').trim().split('\n').length).toBe(1);
  });
});
