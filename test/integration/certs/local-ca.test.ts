import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, createSecureContext, createServer } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { type Certs, runCerts } from '../../../src/certs/certs-process.ts';
import { localCaFile } from '../../../src/protocol/certs-paths.ts';
import { until } from '../../support/until.ts';
import { FakeDaemon } from './fake-daemon.ts';

const running: { daemon: FakeDaemon; certs: Certs }[] = [];

afterEach(async () => {
  for (const { daemon, certs } of running.splice(0)) {
    certs.close();
    await daemon.remove();
  }
});

async function start(names: Record<string, readonly string[]>, nowMs?: () => number): Promise<{ daemon: FakeDaemon; certs: Certs }> {
  const daemon = await FakeDaemon.start({ configuration: {}, names });
  const certs = await runCerts({ ...daemon.paths, ...(nowMs && { nowMs }) });
  const started = { daemon, certs };
  running.push(started);
  return started;
}

const issued = (daemon: FakeDaemon, count: number): Promise<void> =>
  until(
    () => daemon.certificates.size === count,
    `${count} certificates`,
    10_000,
    () => daemon.explain(),
  );

describe('without ACME', () => {
  test('every name of every tenant gets a certificate of the local CA, wildcards too', async () => {
    const names = { acme: ['acme.localhost', '*.shops.acme.localhost'], globex: ['globex.localhost'] };
    const { daemon } = await start(names);
    await issued(daemon, 3);
    const root = new X509Certificate((await daemon.ask('local-ca', {})).certificate);
    for (const [tenant, list] of Object.entries(names))
      for (const name of list) {
        const certificate = daemon.certificates.get(name);
        const leaf = new X509Certificate(certificate?.chain ?? '');
        expect(certificate).toMatchObject({ tenant, names: [name] });
        expect(leaf.verify(root.publicKey)).toBe(true);
        expect(leaf.checkHost(name.replace('*', 'one'))).toBeDefined();
        expect(leaf.ca).toBe(false);
      }
    await until(
      () => daemon.statuses.get('globex.localhost')?.state === 'issued',
      'the state',
      10_000,
      () => daemon.explain(),
    );
  });

  test('of names that nobody wants any more nothing is left once they are forgotten; others are kept', async () => {
    const { daemon } = await start({ acme: ['acme.localhost', '*.acme.localhost'], globex: ['globex.localhost'] });
    await issued(daemon, 3);
    const kept = (): string[] => readdirSync(join(daemon.paths.stateDir, 'certificates'));
    expect(await daemon.ask('forget-names', { names: ['acme.localhost', '../../evil'] })).toEqual({ busy: [] });
    expect(kept().length).toBe(3);
    daemon.notify('remove-tenant', { tenant: 'acme' as TenantName });
    expect(await daemon.ask('forget-names', { names: ['acme.localhost', '*.acme.localhost', 'globex.localhost'] })).toEqual({ busy: [] });
    expect(kept()).toEqual(['globex.localhost']);
  });

  test('a client that trusts the root speaks TLS with a name', async () => {
    const { daemon } = await start({ acme: ['acme.localhost'] });
    await issued(daemon, 1);
    const { chain = '', key = '' } = daemon.certificates.get('acme.localhost') ?? {};
    const server = createServer({ SNICallback: (_name, done) => done(null, createSecureContext({ cert: chain, key })) });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as { port: number };
    const ca = readFileSync(join(daemon.stateDir, localCaFile), 'utf8');
    const socket = connect({ host: '127.0.0.1', port, servername: 'acme.localhost', ca });
    await new Promise((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    expect(socket.authorized).toBe(true);
    socket.destroy();
    server.close();
  });

  test('only its own user can read keys, and a restart makes none anew', async () => {
    const { daemon, certs } = await start({ acme: ['acme.localhost'] });
    await issued(daemon, 1);
    const before = daemon.certificates.get('acme.localhost');
    const root = await daemon.ask('local-ca', {});
    for (const file of ['certificates/acme.localhost', 'local-ca/root-with-key.pem'])
      expect(statSync(join(daemon.stateDir, file)).mode & 0o777).toBe(0o600);
    certs.close();
    daemon.certificates.clear();
    const again = await runCerts(daemon.paths);
    running.push({ certs: again, daemon });
    running.shift();
    await issued(daemon, 1);
    expect(daemon.certificates.get('acme.localhost')).toEqual(before);
    expect(await daemon.ask('local-ca', {})).toEqual(root);
  });

  test('a damaged root is told, kept, and not replaced', async () => {
    const { daemon, certs } = await start({ acme: ['acme.localhost'] });
    await issued(daemon, 1);
    certs.close();
    const file = join(daemon.stateDir, 'local-ca/root-with-key.pem');
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, 300));
    const again = await runCerts(daemon.paths);
    running.push({ certs: again, daemon });
    running.shift();
    await until(() => daemon.completions === 2, 'the second snapshot');
    await expect(daemon.ask('local-ca', {})).rejects.toThrow('damaged');
    expect(daemon.certificates.size).toBe(1);
  });

  test('a torn or empty record of a name is moved aside, and the name starts anew', async () => {
    const { daemon, certs } = await start({ acme: ['acme.localhost', 'www.acme.localhost'] });
    await issued(daemon, 2);
    certs.close();
    writeFileSync(join(daemon.stateDir, 'certificates/acme.localhost'), '');
    writeFileSync(join(daemon.stateDir, 'names/www.acme.localhost'), '{"name":"www.ac');
    const kept = daemon.certificates.get('www.acme.localhost');
    daemon.certificates.clear();
    const again = await runCerts(daemon.paths);
    running.push({ certs: again, daemon });
    running.shift();
    await issued(daemon, 2);
    expect(daemon.certificates.get('www.acme.localhost')).toEqual(kept);
    expect(daemon.log.filter((line) => line.includes('moved aside')).length).toBe(2);
  });

  test('names come and go, move to another tenant, and a snapshot that breaks off changes nothing', async () => {
    const { daemon } = await start({ acme: ['a.localhost', 'b.localhost'] });
    await issued(daemon, 2);
    daemon.setNames('globex', ['b.localhost', 'c.localhost']);
    daemon.setNames('acme', ['a.localhost']);
    await until(() => daemon.certificates.get('b.localhost')?.tenant === 'globex' && daemon.certificates.size === 3, 'b at globex');
    daemon.notify('snapshot-begin', {});
    await daemon.vanish();
    await daemon.listen();
    await until(() => daemon.completions === 2, 'the daemon is back');
    expect([...daemon.certificates.keys()].sort()).toEqual(['a.localhost', 'b.localhost', 'c.localhost']);
    daemon.setNames('globex', []);
    await until(
      () => daemon.certificates.size === 1,
      'two less',
      10_000,
      () => daemon.explain(),
    );
    expect((await daemon.ask('list', {})).names.map(({ name }) => name)).toEqual(['a.localhost']);
  });

  test('a certificate is renewed at two thirds of its lifetime, and the one before is served until then', async () => {
    let offsetMs = 0;
    const { daemon, certs } = await start({ acme: ['acme.localhost'] }, () => Date.now() + offsetMs);
    await issued(daemon, 1);
    const first = daemon.certificates.get('acme.localhost');
    offsetMs = 50 * 86_400_000;
    certs.engine.planSoon();
    expect((await daemon.ask('list', {})).names[0]?.state).toBe('issued');
    offsetMs = 61 * 86_400_000;
    certs.engine.planSoon();
    await until(() => daemon.certificates.get('acme.localhost')?.chain !== first?.chain, 'a new certificate');
    expect(daemon.certificates.get('acme.localhost')?.notAfterMs).toBeGreaterThan(first?.notAfterMs ?? 0);
  });

  test('`renew` makes a new certificate only with `force`', async () => {
    const { daemon } = await start({ acme: ['acme.localhost', 'www.acme.localhost'] });
    await issued(daemon, 2);
    await until(() => [...daemon.statuses.values()].every(({ state }) => state === 'issued'), 'both are issued');
    const tenant = 'acme' as never;
    expect(await daemon.ask('renew', { tenant, force: false })).toEqual({ names: [] });
    const before = daemon.certificates.get('acme.localhost')?.chain;
    expect(await daemon.ask('renew', { tenant, name: 'acme.localhost', force: true })).toEqual({ names: ['acme.localhost'] });
    await until(() => daemon.certificates.get('acme.localhost')?.chain !== before, 'a new certificate');
  });

  test('names that are no names touch no file', async () => {
    const { daemon } = await start({ acme: ['../../evil', 'a/b', '*', '', 'UPPER.localhost', 'acme.localhost'] });
    await issued(daemon, 1);
    await until(() => daemon.completions === 1, 'all is sent');
    expect([...daemon.certificates.keys()]).toEqual(['acme.localhost']);
  });
});
