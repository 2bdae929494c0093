import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../support/until.ts';
import { AcmeInFront } from './acme-in-front.ts';
import { acmeOf, type CertsUnderTest, startCerts } from './certs-under-test.ts';
import { PebbleUnderTest } from './pebble-under-test.ts';

const dayMs = 86_400_000;
const hourMs = 3_600_000;

let pebble: PebbleUnderTest;
let front: AcmeInFront;
let started: CertsUnderTest;

beforeAll(async () => {
  pebble = await PebbleUnderTest.start({ eabKeys: { 'kid-1': 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W' } });
}, 30_000);

afterAll(async () => {
  await pebble.stop();
});

afterEach(async () => {
  await started.stop();
  await front.close();
});

const eab = { keyId: 'kid-1', macKey: 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W' };

async function start(names: Record<string, readonly string[]>, meta: object = {}, directory: object = {}): Promise<void> {
  front = await AcmeInFront.start(pebble, meta);
  started = await startCerts(pebble, names, { acme: acmeOf(pebble, { directories: [{ url: front.url, eab, ...directory }] }) });
}

const windowAt = (fromMs: number, toMs: number): { start: string; end: string } => ({
  start: new Date(Date.now() + fromMs).toISOString(),
  end: new Date(Date.now() + toMs).toISOString(),
});

describe('what a CA wishes', () => {
  test('external account binding: an account is made with it, and none without', async () => {
    await start({ acme: ['eab.example'] });
    await started.issued(1);
    started.daemon.notify('configure', { acme: acmeOf(pebble) });
    started.daemon.setNames('acme', ['eab.example', 'no-eab.example']);
    await until(() => started.daemon.statuses.get('no-eab.example')?.lastError !== undefined, 'a try');
    expect(started.daemon.statuses.get('no-eab.example')?.lastError).toContain('does not work');
    expect(readdirSync(join(started.daemon.stateDir, 'accounts')).length).toBe(2);
  });

  test('a renewal window that the CA moves forward is followed, across a restart, and the order says what it replaces', async () => {
    await start({ acme: ['ari.example'] });
    front.window = windowAt(300 * dayMs, 310 * dayMs);
    await started.issued(1);
    await until(() => front.requests.some((path) => path.startsWith('/renewal-info/')), 'it asks for the window');
    await until(() => (started.daemon.statuses.get('ari.example')?.nextTryMs ?? 0) < Date.now() + 310 * dayMs, 'it keeps to the window');
    const planned = started.daemon.statuses.get('ari.example')?.nextTryMs ?? 0;
    expect(planned).toBeGreaterThanOrEqual(Date.parse(front.window.start));
    await started.restart();
    await until(() => started.daemon.completions === 2, 'all is sent again');
    expect((await started.daemon.ask('list', {})).names[0]?.nextTryMs).toBe(planned);

    front.window = windowAt(-dayMs, -hourMs);
    const first = started.daemon.certificates.get('ari.example')?.chain;
    await started.certs.housekeeping.run();
    expect(started.daemon.certificates.get('ari.example')?.chain).toBe(first);
    // The CA wanted to be asked after an hour.
    started.advance(2 * hourMs);
    await started.certs.housekeeping.run();
    await until(
      () => started.daemon.certificates.get('ari.example')?.chain !== first,
      'a new one',
      15_000,
      () => started.daemon.explain(),
    );
    const path = front.requests.find((path) => path.startsWith('/renewal-info/')) ?? '';
    expect(front.orders.map(({ replaces }) => replaces)).toEqual([undefined, path.replace('/renewal-info/', '')]);
  });

  test('a profile is ordered where the CA offers it, and left out where not', async () => {
    await start({ acme: ['profile.example'] }, { profiles: { shortlived: 'https://ca.example/shortlived' } }, { profile: 'shortlived' });
    await started.issued(1);
    expect(front.orders.map(({ profile }) => profile)).toEqual(['shortlived']);
  });

  test('a profile that the CA does not offer is left out', async () => {
    await start({ acme: ['no-profile.example'] }, {}, { profile: 'shortlived' });
    await started.issued(1);
    expect(front.orders.map(({ profile }) => profile)).toEqual([undefined]);
  });

  test('CAA records that forbid the CA cost no order, and are explained', async () => {
    await pebble.setDns('add-caa', { host: 'forbidden.example', policies: [{ tag: 'issue', value: 'other.example' }] });
    await start({ acme: ['www.forbidden.example'] }, { caaIdentities: ['front.example'] });
    await started.state('www.forbidden.example', 'failed');
    expect(started.daemon.statuses.get('www.forbidden.example')?.lastError).toContain('`forbidden.example CAA 0 issue "front.example"`');
    expect(front.orders).toEqual([]);
  });

  test('a rate limit of one name makes that name wait as long as it says, and no other', async () => {
    await start({ acme: [] });
    front.refuse = (name) => (name === 'limited.example' ? { status: 429, type: 'rateLimited', retryAfter: '7200' } : undefined);
    started.daemon.setNames('acme', ['limited.example', 'free.example']);
    await started.state('limited.example', 'failed');
    await started.issued(1);
    expect(started.daemon.statuses.get('limited.example')?.nextTryMs).toBeGreaterThan(Date.now() + 7_100_000);
    expect(started.daemon.statuses.get('limited.example')?.lastError).toContain('refuses: not now');
  });

  test('a CA that is overloaded is left alone until it said, and then everything goes on', async () => {
    await start({ acme: [] });
    front.refuse = () => ({ status: 503, type: 'serverInternal', retryAfter: '1800' });
    started.daemon.setNames('acme', ['busy.example']);
    await until(() => started.daemon.statuses.get('busy.example')?.lastError !== undefined, 'a try');
    expect(started.daemon.statuses.get('busy.example')).toMatchObject({ state: 'waiting', failures: 0 });
    expect(started.daemon.statuses.get('busy.example')?.message).toContain('Waiting');
    front.refuse = () => undefined;
    started.advance(600_000);
    await started.daemon.ask('renew', { tenant: 'acme' as never, force: true });
    started.daemon.setNames('acme', ['busy.example', 'more.example']);
    await until(() => started.daemon.statuses.has('more.example'), 'the second name is known');
    expect((await started.daemon.ask('list', {})).names.map(({ message }) => message)).toEqual([
      expect.stringContaining('no CA answers'),
      expect.stringContaining('no CA answers'),
    ]);
    expect(front.orders.length).toBe(1);
    started.advance(1_300_000);
    await started.issued(2);
  });
});
