import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { ask, pidOf, probeApp, probeTenant, socketOf } from './probe.ts';

/** What `command` apps are told to listen on: the first that is free for the tenant. */
const firstPort = 20_000;
const secret = 'a-secret-of-the-shop';

// Waits until it can have its port; then answers every connection with one page and ends it, as HTTP/1.0 allows.
const perlServer = `
socket(my $server, 2, 1, 0) or die $!;
setsockopt($server, 1, 2, pack('l', 1));
select(undef, undef, undef, 0.05) until bind($server, pack('S n a4 x8', 2, $ENV{PORT}, "\\x7f\\0\\0\\1"));
listen($server, 10) or die $!;
while (accept(my $client, $server)) { sysread($client, my $head, 4096); syswrite($client, "HTTP/1.0 200 OK\\r\\n\\r\\nthe victim itself"); close $client }
`;

describe('two apps of one tenant', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    const alpha = {
      ...probeTenant('alpha', ['site', 'shop']),
      ...probeApp('shop', { env: { SECRET: secret }, lines: 'routes: ["alpha.test/shop"]\n' }),
    };
    daemon = await startTestDaemon({ tenants: { alpha } });
    await daemon.untilApps(['alpha/site', 'alpha/shop']);
    await ask(daemon, 'alpha/shop', 'write', {
      input: { '/data/secret.txt': secret, '/tmp/secret.txt': secret, '/dev/shm/secret.txt': secret },
    });
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test('can not see, signal or read each other, or their host', async () => {
    const pids = [await pidOf(daemon, 'alpha/shop'), (await daemon.tenant('alpha')).hostPid];
    expect(Math.min(...pids)).toBeGreaterThan(1);
    expect(await ask(daemon, 'alpha/site', 'signal', { input: pids })).toEqual(Object.fromEntries(pids.map((pid) => [pid, 'ESRCH'])));
    const found = await ask<{ hits: string[] }>(daemon, 'alpha/site', 'search', { input: [secret] });
    expect(found.hits).toEqual([]);
    expect((await ask<{ hits: string[] }>(daemon, 'alpha/shop', 'search', { input: [secret] })).hits.length).toBeGreaterThan(3);
  });

  test('have data, memory and code of their own', async () => {
    const paths = ['/data/secret.txt', '/tmp/secret.txt', '/dev/shm/secret.txt', '/apps/shop/server.js', '/apps/shop'];
    const read = await ask<Record<string, string>>(daemon, 'alpha/site', 'read', { input: paths });
    expect(read).toEqual(Object.fromEntries(paths.map((path) => [path, 'ENOENT'])));
  });

  test('share what lies in /data/shared, and keep their own files there', async () => {
    await ask(daemon, 'alpha/shop', 'write', { input: { '/data/shared/prices.txt': 'ten' } });
    const path = '/data/shared/prices.txt';
    expect(await ask(daemon, 'alpha/site', 'read', { input: [path] })).toEqual({ [path]: 'read ten' });
    expect(await ask(daemon, 'alpha/site', 'write', { input: { [path]: 'nothing' } })).toEqual({ [path]: 'EACCES' });
    expect(await ask(daemon, 'alpha/site', 'rename', { input: [[path, '/data/shared/stolen']] })).toEqual(['EPERM']);
  });

  test('share a loopback and the abstract names in it', async () => {
    expect(await ask(daemon, 'alpha/shop', 'listen', { input: { host: '127.0.0.1', port: 9_000 } })).toBe('ok');
    expect(await ask(daemon, 'alpha/site', 'connect', { input: { host: '127.0.0.1', port: 9_000 } })).toBe('ok from a sandbox');
  });

  test("can not reach each other's requests by the sockets in their tenant's network", async () => {
    for (const path of [socketOf(daemon, 'alpha', 'shop'), '/run/tenantd/sockets', '/run/tenantd/pipes']) {
      expect(await ask(daemon, 'alpha/site', 'connect', { input: { path } })).toBe('ENOENT');
    }
  });

  test('get none of the requests of a command by listening on its port first', async () => {
    // A command that is started again may be told the next port.
    const ports = [0, 1, 2, 3].map((more) => ({ host: '127.0.0.1', port: firstPort + more }));
    for (const input of ports) expect(await ask(daemon, 'alpha/site', 'listen', { input })).toBe('ok');
    daemon.writeTenant('alpha', {
      'apps/victim/app.yaml': 'kind: command\ncommand: ["perl", "serve.pl"]\nstartTimeout: 3s\ndrain: 1s\nroutes: ["alpha.test/victim"]\n',
      'apps/victim/serve.pl': perlServer,
    });
    await until(async () => (await victim())?.reason !== undefined, 'the command failed to start');
    expect((await victim())?.reason).toMatch(/did not listen: another app listens on port 2000\d/);
    expect((await victim())?.state).not.toBe('running');
    for (const input of ports) expect(await ask(daemon, 'alpha/site', 'stopListening', { input })).toBe('ok');
    expect((await daemon.ctl('app', 'start', 'alpha/victim')).code).toBe(0);
    await daemon.untilApps(['alpha/victim']);
    expect(await askVictim()).toContain('the victim itself');
  });

  test('get none of them by listening on its port beside it', async () => {
    const port = await portOfVictim();
    for (const host of ['127.0.0.1', '0.0.0.0', '::1', '::']) {
      const outcome = await ask<string>(daemon, 'alpha/site', 'listen', { input: { host, port } });
      // `::` and `::1` are other addresses than the victim's: they can be had, and must change nothing.
      expect(host.includes(':') ? ['ok', 'EADDRINUSE'] : ['EADDRINUSE']).toContain(outcome);
      for (let time = 0; time < 5; time++) expect(await askVictim()).toContain('the victim itself');
    }
  });

  /** The only listener of the tenant's network in that range, in hexadecimal in the kernel's table. */
  async function portOfVictim(): Promise<number> {
    const { tcp } = await ask<{ tcp: string[] }>(daemon, 'alpha/site', 'network');
    const ports = tcp.filter((line) => / 0A /.test(line)).map((line) => Number.parseInt(/:([0-9A-F]{4}) /.exec(line)?.[1] ?? '', 16));
    const found = ports.filter((port) => port >= firstPort && port < firstPort + 100);
    expect(found).toHaveLength(1);
    return found[0] ?? 0;
  }

  async function victim() {
    return (await daemon.tenant('alpha')).apps.find(({ name }) => name === 'victim');
  }

  /** It answers over its own Unix socket, as the edge would ask it. */
  function askVictim(): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = connect({ path: socketOf(daemon, 'alpha', 'victim') }, () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('error', (error) => resolve(error.message));
    socket.on('close', () => resolve(text));
    return promise;
  }
});
