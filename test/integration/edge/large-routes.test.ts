import { expect, test } from 'vitest';
import { generousLimits } from '../../support/generous-limits.ts';
import { until } from '../../support/until.ts';
import { startMaster } from './master-under-test.ts';
import { exchangeRaw } from './raw-client.ts';

/** What one tenant may have: 64 apps of 64 routes, each of a host of 253 and a path of 512 characters. */
test('the routes of the largest tenant there may be reach the edges', async () => {
  const master = await startMaster();
  await master.app('one', (_, response) => void response.end('served'));
  const daemon = await master.startDaemon();
  const apps = Array.from({ length: 64 }, (_, n) => `app-${n}`);
  const paths = apps.flatMap((app) => Array.from({ length: 64 }, (_, n) => ({ prefix: `/${app}-${n}-${'x'.repeat(480)}`, app })));
  daemon.channel.notify('snapshot-begin', {});
  daemon.channel.notify('set-tenant', {
    ...{ tenant: 'acme', hosts: [{ host: 'acme.example', paths: [...paths, { prefix: '/', app: 'app-0' }] }] },
    apps: apps.map((app) => ({ app, state: 'ready', upstreams: [{ id: app, socket: 'acme/one' }], release: 'local', compress: false })),
    ...{ limits: generousLimits, tls: { redirect: true, hstsSeconds: 0 } },
  });
  daemon.channel.notify('snapshot-end', {});
  let closed = false;
  void daemon.channel.closed.then(() => (closed = true));
  await until(
    () => closed || daemon.heard.some(({ method, params }) => method === 'log' && JSON.stringify(params).includes('accepts')),
    'it accepts',
    5_000,
  );
  expect(closed).toBe(false);
  expect(await exchangeRaw(master.port, 'GET / HTTP/1.1\r\nHost: acme.example\r\nConnection: close\r\n\r\n')).toContain('served');
});
