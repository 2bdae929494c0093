import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { ask, otherThan, pidOf, probeApp, probeTenant, socketOf } from './probe.ts';

/**
 * Secrets lie everywhere that belongs to the machine or to the tenant beta. Apps of alpha look for them: by their paths,
 * all over what they can see, and in what the kernel tells. All files are open to everyone, so that what keeps them safe
 * is that they can't be reached.
 */
const secret = (where: string): string => `planted-${where}-${randomBytes(12).toString('hex')}`;
const secrets = {
  ...{ data: secret('data'), code: secret('code'), env: secret('env'), state: secret('state'), log: secret('log') },
  ...{ root: secret('root'), tmp: secret('tmp'), abstract: secret('abstract'), tcp: secret('tcp') },
};

describe('an app that looks for what belongs to others', () => {
  let daemon: TestDaemon;
  let planted: string[];
  let homeOfRoot: string;
  const servers: net.Server[] = [];
  const abstractName = secret('name');

  beforeAll(async () => {
    homeOfRoot = mkdtempSync('/root/tenantd-test-');
    const beta = {
      ...probeTenant('beta'),
      ...probeApp('site', { env: { PROBE_SECRET: secrets.env } }),
      'apps/site/secret.txt': secrets.code,
    };
    daemon = await startTestDaemon({ tenants: { alpha: probeTenant('alpha'), beta } });
    await daemon.untilApps(['alpha/site', 'beta/site']);
    await ask(daemon, 'beta/site', 'write', { input: { '/data/secret.txt': secrets.data, '/data/shared/secret.txt': secrets.data } });
    await ask(daemon, 'beta/site', 'say', { input: { printed: [`${secrets.log}\n`] } });
    planted = await plantFiles();
    servers.push(await serve({ path: `\0${abstractName}` }, secrets.abstract), await serve({ port: 0, host: '127.0.0.1' }, secrets.tcp));
  });
  afterAll(async () => {
    for (const server of servers) server.close();
    if (homeOfRoot) rmSync(homeOfRoot, { recursive: true });
    await daemon?.[Symbol.asyncDispose]();
  });

  async function plantFiles(): Promise<string[]> {
    const { directory } = daemon;
    const files = [`${homeOfRoot}/secret.txt`, `${directory}/state/secret.txt`, join(directory, 'secret.txt')];
    writeFileSync(files[0] ?? '', secrets.root);
    writeFileSync(files[1] ?? '', secrets.state);
    writeFileSync(files[2] ?? '', secrets.tmp);
    const ofBeta = [
      'state/tenants/beta/data/apps/site/secret.txt',
      'state/tenants/beta/data/shared/secret.txt',
      'tenants/beta/apps/site/secret.txt',
    ];
    const mounted = ['/apps/site/secret.txt', '/logs/site.log'].map((path) => daemon.dataOf('beta') + path);
    await until(() => mounted.every((path) => existsSync(path)), 'it has printed something');
    for (const path of mounted) expect(readFileSync(path, 'utf8')).not.toBe('');
    return [
      ...files,
      ...ofBeta.map((path) => `${directory}/${path}`),
      ...mounted,
      `${directory}/state/tenants/beta/disk.img`,
      daemon.configFile,
    ];
  }

  test('was given something to find: the secrets are there for whoever may see them', async () => {
    await until(async () => (await daemon.ctl('logs', 'beta/site')).stdout.includes(secrets.log), 'the log has its secret');
    expect((await daemon.ctl('logs', 'beta/site')).stdout).toContain(secrets.env);
    const own = await ask<{ hits: string[] }>(daemon, 'beta/site', 'search', { input: [secrets.data, secrets.code, secrets.env] });
    for (const needle of [secrets.data, secrets.code, secrets.env]) expect(own.hits.join('\n')).toContain(needle);
  });

  test('finds none of them by walking over all it can see, and over /proc', async () => {
    const needles = [...Object.values(secrets), abstractName];
    const found = await ask<{ hits: string[]; filesRead: number }>(daemon, 'alpha/site', 'search', { input: needles });
    expect(found.filesRead).toBeGreaterThan(100);
    expect(found.hits).toEqual([]);
  });

  test('reads none of them by its path on the machine, whichever way it goes', async () => {
    const pid = await pidOf(daemon, 'beta/site');
    const ways = ['', '/proc/1/root', '/proc/self/root', '/data/../..', '/proc/self/cwd/../../..', `/proc/${pid}/root`];
    const input = ways.flatMap((way) => planted.map((path) => `${way}${path}`));
    const read = await ask<Record<string, string>>(daemon, 'alpha/site', 'read', { input });
    expect(Object.keys(read)).toHaveLength(input.length);
    expect(otherThan(['ENOENT', 'EACCES'], read)).toEqual([]);
  });

  test('sees no file of the machine that is not meant for it', async () => {
    const closed = ['/etc/shadow', '/etc/ssh', '/etc/tenantd', '/home', '/root', '/var', '/sys', '/boot', '/mnt', '/srv', '/sys/fs/cgroup'];
    const devices = ['/dev/mem', '/dev/kmsg', '/dev/vda', '/dev/sda', '/dev/kvm', '/dev/fuse', '/dev/net/tun', '/dev/vsock'];
    const read = await ask<Record<string, string>>(daemon, 'alpha/site', 'read', { input: [...closed, ...devices] });
    expect(Object.entries(read).filter(([, outcome]) => outcome !== 'ENOENT')).toEqual([]);
    expect(await ask(daemon, 'alpha/site', 'list', { input: ['/apps', '/data'] })).toEqual({
      '/apps': ['site'],
      '/data': ['home', 'shared'],
    });
  });

  test('learns nothing about the kernel that is not for everyone', async () => {
    const names = ['kcore', 'kmsg', 'keys', 'key-users', 'timer_list', 'kallsyms', 'config.gz', 'sched_debug', 'cmdline', 'modules'];
    const read = await ask<Record<string, string>>(daemon, 'alpha/site', 'read', { input: names.map((name) => `/proc/${name}`) });
    expect(otherThan(['ENOENT', 'EACCES', 'EPERM', 'read '], read)).toEqual([]);
    const files = ['/proc/sysrq-trigger', '/proc/sys/kernel/core_pattern', '/proc/sys/kernel/hostname', '/proc/sys/vm/drop_caches'];
    const more = [
      '/proc/sys/net/ipv4/ip_forward',
      '/proc/1/oom_score_adj',
      '/proc/sys/kernel/modprobe',
      '/proc/sys/fs/binfmt_misc/register',
    ];
    const input = Object.fromEntries([...files, ...more].map((path) => [path, '1']));
    const written = await ask<Record<string, string>>(daemon, 'alpha/site', 'write', { input });
    expect(otherThan(['EACCES', 'EPERM', 'EROFS', 'ENOENT'], written)).toEqual([]);
  });

  test('reaches no socket of another tenant, of tenantd or of the machine by its path', async () => {
    const sockets = [socketOf(daemon, 'beta', 'site'), socketOf(daemon, 'alpha', 'site')];
    const ours = ['control/operator.sock', 'edge/control.sock', 'hosts/alpha/control.sock'].map(
      (name) => `${daemon.directory}/run/${name}`,
    );
    const inside = ['/run/tenantd/control/control.sock', '/run/tenantd/edge/control.sock', '/run/docker.sock', '/run/systemd/private'];
    for (const path of [...sockets, ...ours, ...inside]) {
      const outcome = await ask(daemon, 'alpha/site', 'connect', { input: { path } });
      expect({ path, outcome }).toEqual({ path, outcome: 'ENOENT' });
    }
  });

  test('reaches no abstract socket of the machine, neither with a socket of its own nor with the one it inherited', async () => {
    const found = await ask(daemon, 'alpha/site', 'connectAbstract', { input: abstractName });
    expect(found).toEqual({ byOwn: 'ECONNREFUSED', byInherited: expect.not.stringMatching(/^ok$/) });
  });

  test('reaches no abstract socket with the one it inherited before it listens on it', async () => {
    daemon.writeTenant('early', {
      'tenant.yaml': 'domains: [early.test]\n',
      ...probeApp('site', { env: { NAME: abstractName } }),
      'apps/site/server.js': `console.log('EARLY', JSON.stringify(require('./sockets.js').connectAbstract(process.env.NAME)));\n`,
    });
    const printed = (): Promise<string> => daemon.ctl('logs', 'early/site').then(({ stdout }) => stdout);
    await until(async () => (await printed()).includes('EARLY'), 'the app has told what it found');
    expect(await printed()).toContain('EARLY {"byOwn":"ECONNREFUSED","byInherited":"ECONNREFUSED"}');
    daemon.removeTenant('early');
  });

  test("reaches no port: neither the machine's loopback, nor other addresses", async () => {
    const port = (servers[1]?.address() as net.AddressInfo | undefined)?.port;
    const own = await ask<string>(daemon, 'alpha/site', 'connect', { input: { host: '127.0.0.1', port } });
    expect(own).toBe('ECONNREFUSED');
    // Addresses for documentation (RFC 5737, RFC 3849): where there is no route, nothing is sent.
    expect(await ask(daemon, 'alpha/site', 'connect', { input: { host: '192.0.2.1', port: 80 } })).toBe('ENETUNREACH');
    expect(await ask(daemon, 'alpha/site', 'connect', { input: { host: '2001:db8::1', port: 80 } })).toBe('ENETUNREACH');
    expect(await ask(daemon, 'alpha/site', 'sendDatagram', { input: { type: 'udp4', address: '192.0.2.1', port: 53 } })).toBe(
      'ENETUNREACH',
    );
  });

  test('listens on its own loopback without being in the way of another tenant', async () => {
    // Free on the machine, too.
    const unused = await serve({ port: 0, host: '127.0.0.1' }, '');
    const { port } = unused.address() as net.AddressInfo;
    unused.close();
    for (const at of ['alpha/site', 'beta/site']) {
      expect(await ask(daemon, at, 'listen', { input: { host: '127.0.0.1', port } })).toBe('ok');
      expect(await ask(daemon, at, 'connect', { input: { host: '127.0.0.1', port } })).toBe('ok from a sandbox');
    }
    const refused = once(net.connect(port, '127.0.0.1'), 'connect').then(
      () => 'connected',
      () => 'refused',
    );
    expect(await refused).toBe('refused');
  });
});

async function serve(where: net.ListenOptions, text: string): Promise<net.Server> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.end(text);
  });
  server.listen(where);
  await once(server, 'listening');
  return server;
}
