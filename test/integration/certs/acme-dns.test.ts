import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { until } from '../../support/until.ts';
import { withPebble } from './certs-under-test.ts';
import { ZoneServer } from './zone-server.ts';

const { pebble, acmeOf, start, endings } = withPebble();

describe('dns-01', () => {
  test('dns-01 by the hook: a wildcard, and its record is removed', async () => {
    const started = await start({}, { acme: acmeOf() });
    const { daemon } = started;
    const log = join(daemon.directory, 'hook.log');
    const script = new URL('dns-hook.ts', import.meta.url).pathname;
    daemon.configuration = { acme: acmeOf({ dnsHook: [process.execPath, script, pebble().dnsManagement, log] }) };
    daemon.notify('configure', daemon.configuration);
    daemon.setNames('acme', ['*.shops.acme.example']);
    await started.issued(1);
    expect(
      new X509Certificate(daemon.certificates.get('*.shops.acme.example')?.chain ?? '').checkHost('one.shops.acme.example'),
    ).toBeDefined();
    const [present = '', cleanup = ''] = readFileSync(log, 'utf8').split('\n');
    expect(present).toMatch(/^present _acme-challenge\.shops\.acme\.example [\w-]{43}$/);
    expect(cleanup).toBe(present.replace('present', 'cleanup'));
  });

  test('dns-01 by signed updates of the zone, there where a CNAME record leads', async () => {
    const secret = Buffer.from('a secret of tests');
    const zone = await ZoneServer.start('delegated.example', { name: 'certs.key', secret }, ({ isAdded, name, value }) =>
      isAdded ? pebble().setDns('set-txt', { host: `${name}.`, value }) : pebble().setDns('clear-txt', { host: `${name}.` }),
    );
    endings.push(() => zone.close());
    await pebble().setDns('set-cname', { host: '_acme-challenge.cname.example.', target: 'cname.delegated.example.' });
    const rfc2136 = { server: zone.address, keyName: 'certs.key', keySecret: secret.toString('base64') };
    const acme = acmeOf({ rfc2136, challenges: [] });
    const started = await start({ acme: ['*.direct.delegated.example', 'cname.example'] }, { acme });
    await started.issued(2);
    await until(() => zone.changes.length === 4, 'both records are removed');
    expect(zone.changes.map(({ isAdded, name }) => `${isAdded} ${name}`)).toEqual(
      expect.arrayContaining([
        'true _acme-challenge.direct.delegated.example',
        'false _acme-challenge.direct.delegated.example',
        'true cname.delegated.example',
        'false cname.delegated.example',
      ]),
    );
    for (const { value } of zone.changes) expect(value).toMatch(/^[\w-]{43}$/);
  });

  test('a zone that refuses the key says so, and hurts nothing that is issued', async () => {
    const zone = await ZoneServer.start('refusing.example', { name: 'certs.key', secret: Buffer.from('theirs') }, () => Promise.resolve());
    endings.push(() => zone.close());
    const rfc2136 = { server: zone.address, keyName: 'certs.key', keySecret: Buffer.from('ours').toString('base64') };
    const started = await start({ acme: ['fine.example', '*.refusing.example'] }, { acme: acmeOf({ rfc2136 }) });
    await started.issued(1);
    await until(() => started.daemon.statuses.get('*.refusing.example')?.lastError !== undefined, 'a try');
    expect(started.daemon.statuses.get('*.refusing.example')?.lastError).toContain('NOTAUTH');
    expect(zone.changes).toEqual([]);
    expect([...started.daemon.certificates.keys()]).toEqual(['fine.example']);
  });

  test('a wildcard without a way to set DNS records says so, and costs no order', async () => {
    const started = await start({ acme: ['*.acme.example'] }, { acme: acmeOf() });
    const { daemon } = started;
    await started.state('*.acme.example', 'failed');
    expect(daemon.statuses.get('*.acme.example')?.lastError).toContain('acme.dnsHook');
    expect(existsSync(join(daemon.stateDir, 'ledger/orders.jsonl'))).toBe(false);
  });
});
