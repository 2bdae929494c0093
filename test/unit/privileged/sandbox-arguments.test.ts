import { describe, expect, test } from 'vitest';
import {
  assertSandbox,
  bubblewrapArguments,
  dropPrivilegesArguments,
  type SandboxSpec,
} from '../../../src/privileged/sandbox-arguments.ts';

const spec: SandboxSpec = {
  id: 'w.acme.site.0a1b2c',
  uid: 200_001,
  gid: 200_001,
  hostname: 'site',
  env: { PATH: '/usr/bin:/bin', NODE_ENV: 'production' },
  binds: [
    { source: '/srv/tenants/acme/apps/site', target: '/apps/site', access: 'read' },
    { source: '/var/lib/tenantd/tenants/acme/data/apps/site', target: '/data', access: 'write' },
    { source: '/var/lib/tenantd/tenants/acme/data/shared', target: '/data/shared', access: 'write' },
    { source: '/run/tenantd/sockets/acme', target: '/run/tenantd/deep/sockets', access: 'read' },
  ],
  tmpBytes: 64 << 20,
  tmpInodes: 1_000,
  workingDirectory: '/apps/site',
  command: ['/opt/tenantd/bin/node', '--max-old-space-size=192', '/opt/tenantd/lib/worker.js', '{"kind":"node"}'],
};

const places = { etc: '/run/tenantd/etc/200001', scratch: '/run/tenantd/scratch' };
const { etc } = places;

/** Each option of bwrap(1) that stands in the arguments, with its values. */
function optionsOf(args: readonly string[]): string[][] {
  const values: Record<string, number> = {
    ...{
      '--hostname': 1,
      '--setenv': 2,
      '--ro-bind': 2,
      '--ro-bind-try': 2,
      '--bind': 2,
      '--dev-bind': 2,
      '--tmpfs': 1,
      '--perms': 1,
      '--size': 1,
      '--dir': 1,
    },
    ...{ '--remount-ro': 1, '--symlink': 2, '--proc': 1, '--dev': 1, '--chdir': 1, '--cap-drop': 1, '--cap-add': 1, '--clearenv': 0 },
    ...{ '--unshare-pid': 0, '--unshare-ipc': 0, '--unshare-uts': 0, '--unshare-cgroup': 0, '--new-session': 0 },
  };
  const options: string[][] = [];
  for (let at = 0; at < args.length;) {
    const count = values[args[at] ?? ''];
    if (count === undefined) throw new Error(`an option that this test does not know: ${args[at]}`);
    options.push(args.slice(at, at + count + 1));
    at += count + 1;
  }
  return options;
}

const options = optionsOf(bubblewrapArguments(spec, places));
const valuesOf = (name: string): string[][] => options.filter(([option]) => option === name).map(([, ...values]) => values);
const positionOf = (...option: string[]): number => options.findIndex((other) => other.join(' ') === option.join(' '));

describe('a sandbox that may be', () => {
  test.each<[string, Partial<SandboxSpec>]>([
    ['the usual one', {}],
    ['one without binds and environment', { binds: [], env: {} }],
    ['one with the longest id', { id: 'a'.repeat(80) }],
    ['one at the root of its file system', { workingDirectory: '/' }],
    [
      'one with odd text in its command and environment',
      { command: ['/bin/sh', '-c', 'echo "$1"\n', ''], env: { A: 'line\nline', B: '' } },
    ],
  ])('is %s', (_, changes) => {
    expect(() => assertSandbox({ ...spec, ...changes })).not.toThrow();
  });
});

describe('a sandbox is refused', () => {
  const bind = (source: string, target: string): Partial<SandboxSpec> => ({ binds: [{ source, target, access: 'read' }] });

  test.each<[string, Partial<SandboxSpec>]>([
    ['id ', { id: '' }],
    ['id a/b', { id: 'a/b' }],
    ['id ../up', { id: '../up' }],
    ['id .hidden', { id: '.hidden' }],
    ['id -option', { id: '-option' }],
    ['id UPPER', { id: 'UPPER' }],
    ['id a\n', { id: 'a\n' }],
    ['id aaaa', { id: 'a'.repeat(81) }],
    ['hostname ', { hostname: '' }],
    ['hostname a.b', { hostname: 'a.b' }],
    ['hostname -a', { hostname: '-a' }],
    ['hostname aaaa', { hostname: 'a'.repeat(64) }],
    ['uid 0', { uid: 0 }],
    ['uid 99', { uid: 99 }],
    ['uid -1', { uid: -1 }],
    ['uid 200000.5', { uid: 200_000.5 }],
    ['uid NaN', { uid: Number.NaN }],
    ['uid 200001', { uid: '200001' as unknown as number }],
    ['gid 0', { gid: 0 }],
    ['gid Infinity', { gid: Number.POSITIVE_INFINITY }],
    ['tmpBytes 0', { tmpBytes: 0 }],
    ['tmpBytes -1', { tmpBytes: -1 }],
    ['tmpBytes 1.5', { tmpBytes: 1.5 }],
    ['tmpInodes 1', { tmpInodes: 1 }],
    ['an empty command', { command: [] }],
    ['path relative', bind('relative', '/a')],
    ['path ', bind('', '/a')],
    ['path /a/../etc', bind('/a/../etc', '/a')],
    ['path /a/./b', bind('/a/./b', '/a')],
    ['path //a', bind('//a', '/a')],
    ['path /a//b', bind('/srv', '/a//b')],
    ['path ../a', bind('/srv', '../a')],
    ['path /a\0b', bind('/srv', '/a\0b')],
    ['path work', { workingDirectory: 'work' }],
    ['path /..', { workingDirectory: '/..' }],
    ['environment variable A=B', { env: { 'A=B': '1' } }],
    ['environment variable ', { env: { '': '1' } }],
    ['environment variable 1A', { env: { '1A': '1' } }],
    ['environment variable A B', { env: { 'A B': '1' } }],
    ['environment variable A\0', { env: { 'A\0': '1' } }],
    ['environment variable LD_PRELOAD', { env: { LD_PRELOAD: '/data/evil.so' } }],
    ['environment variable LD_AUDIT', { env: { LD_AUDIT: '' } }],
    ['environment variable GLIBC_TUNABLES', { env: { GLIBC_TUNABLES: 'x' } }],
    ['environment variable GCONV_PATH', { env: { GCONV_PATH: '/data' } }],
    ['a NUL character', { env: { A: 'x\0--bind\0/\0/' } }],
    ['a NUL character', { command: ['/bin/true', 'x\0y'] }],
  ])('with %j', (fault, changes) => {
    expect(() => assertSandbox({ ...spec, ...changes })).toThrow(
      expect.objectContaining({ code: 'TENANTD_E_INTERNAL', message: expect.stringContaining(`refused to make a sandbox with ${fault}`) }),
    );
  });

  test('with every fault in one message', () => {
    const faulty = { ...spec, uid: 0, hostname: 'A', command: [] };
    expect(() => assertSandbox(faulty)).toThrow('refused to make a sandbox with hostname A, uid 0, an empty command');
  });
});

describe('the arguments of bubblewrap', () => {
  test('begin with namespaces of its own, and an environment of nothing but what was given', () => {
    const first = options.slice(
      0,
      options.findIndex(([option]) => option === '--ro-bind'),
    );
    expect(first).toEqual([
      ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup', '--new-session'].map((option) => [option]),
      ...[['--hostname', 'site'], ['--clearenv'], ['--setenv', 'PATH', '/usr/bin:/bin'], ['--setenv', 'NODE_ENV', 'production']],
    ]);
  });

  test('bind nothing of the machine but what was given and the system', () => {
    const system = [
      '/usr',
      '/etc/ssl/certs',
      '/etc/ssl/openssl.cnf',
      '/etc/ld.so.cache',
      '/etc/alternatives',
      '/etc/localtime',
      '/dev/null',
    ];
    const known = new Set([...system, etc, `${places.scratch}/tmp`, `${places.scratch}/shm`, ...spec.binds.map(({ source }) => source)]);
    const sources = [...valuesOf('--ro-bind'), ...valuesOf('--ro-bind-try'), ...valuesOf('--bind')].map(([source]) => source ?? '');
    expect(sources.filter((source) => !known.has(source))).toEqual([]);
    expect(spec.binds.filter(({ source }) => !sources.includes(source))).toEqual([]);
  });

  test('let it write only where that was given', () => {
    expect(valuesOf('--bind')).toEqual([
      [`${places.scratch}/shm`, '/dev/shm'],
      [`${places.scratch}/tmp`, '/tmp'],
      ['/var/lib/tenantd/tenants/acme/data/apps/site', '/data'],
      ['/var/lib/tenantd/tenants/acme/data/shared', '/data/shared'],
    ]);
    expect(valuesOf('--ro-bind')).toContainEqual(['/srv/tenants/acme/apps/site', '/apps/site']);
    expect(valuesOf('--ro-bind')).toContainEqual(['/run/tenantd/sockets/acme', '/run/tenantd/deep/sockets']);
  });

  test('give it an /etc of its own, and of the machine only single files in it, later', () => {
    expect(positionOf('--ro-bind', etc, '/etc')).toBeGreaterThan(-1);
    const later = options.slice(positionOf('--ro-bind', etc, '/etc')).filter(([, source]) => source?.startsWith('/etc/'));
    expect(later).toEqual(options.filter(([, source]) => source?.startsWith('/etc/')));
    expect(later.every(([, source, target]) => source === target)).toBe(true);
  });

  test('make every parent of a target 0755, before the bind that needs it', () => {
    const parents = ['/apps', '/run', '/run/tenantd', '/run/tenantd/deep'];
    const made = options.flatMap((option, at) => (option[0] === '--dir' ? [{ path: option[1], mode: options[at - 1], at }] : []));
    expect(made.map(({ path, mode }) => ({ path, mode }))).toEqual(parents.map((path) => ({ path, mode: ['--perms', '0755'] })));
    const firstBind = positionOf('--ro-bind', '/srv/tenants/acme/apps/site', '/apps/site');
    expect(made.filter(({ at }) => at > firstBind)).toEqual([]);
  });

  test('make no folder where a given one is bound, which it would be hidden by, or in its /tmp', () => {
    const inTmp = bubblewrapArguments({ ...spec, binds: [{ source: '/srv/x', target: '/tmp/x', access: 'read' }] }, places);
    expect(optionsOf(inTmp).filter(([option]) => option === '--dir')).toEqual([]);
    expect(valuesOf('--dir')).not.toContainEqual(['/data']);
  });

  test('bind what lies below another target after it', () => {
    const order = spec.binds.map(({ source, target, access }) => positionOf(access === 'read' ? '--ro-bind' : '--bind', source, target));
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(order.every((at) => at > -1)).toBe(true);
  });

  test('have /run/secrets only when that is wanted, and mount nothing in memory that has no size but what is closed', () => {
    const withSecrets = optionsOf(bubblewrapArguments({ ...spec, withSecrets: true }, places));
    expect(withSecrets).toContainEqual(['--bind', `${places.scratch}/secrets`, '/run/secrets']);
    expect(valuesOf('--bind').flat()).not.toContain('/run/secrets');
    expect(valuesOf('--tmpfs').filter(([path]) => positionOf('--remount-ro', path ?? '') === -1)).toEqual([]);
  });

  test('close root and /dev for writing after everything was made in them', () => {
    const closed = ['/dev', '/'].map((path) => positionOf('--remount-ro', path));
    const making = options.flatMap(([option = ''], at) => (/^--(?:ro-)?bind|^--(?:dir|tmpfs|symlink|proc|dev)$/.test(option) ? [at] : []));
    expect(Math.min(...closed)).toBeGreaterThan(Math.max(...making));
    expect(positionOf('--remount-ro', '/usr/local')).toBe(positionOf('--tmpfs', '/usr/local') + 1);
  });

  test('start it in its folder, and drop every capability but those that setpriv needs to drop the rest', () => {
    expect(options.slice(positionOf('--chdir', '/apps/site'))).toEqual([
      ['--chdir', '/apps/site'],
      ['--cap-drop', 'ALL'],
      ...['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP'].map((capability) => ['--cap-add', capability]),
    ]);
  });

  test('hide the files of /proc that are the business of the machine alone, once /proc is there', () => {
    const hidden = options.filter(([option, source]) => option === '--ro-bind' && source === '/dev/null').map(([, , target]) => target);
    expect(hidden).toContain('/proc/cmdline');
    expect(hidden.every((target) => target?.startsWith('/proc/'))).toBe(true);
    expect(positionOf('--ro-bind', '/dev/null', '/proc/cmdline')).toBeGreaterThan(positionOf('--proc', '/proc'));
  });
});

describe('the way into the command', () => {
  const args = dropPrivilegesArguments(spec);
  const end = args.indexOf('--');

  test('drops user, groups, capabilities, and the way to new ones, before the command', () => {
    expect(args.slice(0, end)).toEqual([
      ...['/usr/bin/setpriv', '--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--no-new-privs', '--clear-groups'],
      ...['--reuid', '200001', '--regid', '200001'],
    ]);
  });

  test('hands the command over as it is, not as text for a shell', () => {
    const odd = ['/bin/echo', '$(id)', '; id', "it's", '--', '-c', ''];
    const become = dropPrivilegesArguments({ ...spec, command: odd }).slice(end + 1);
    expect(become.slice(0, 2)).toEqual(['/bin/sh', '-c']);
    expect(become[2]).not.toContain('echo');
    expect(become.slice(4)).toEqual(odd);
  });
});
