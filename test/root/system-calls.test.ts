import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { closeNetwork, createNetwork } from '../../src/privileged/networks.ts';
import { copyBubblewrap, findPrograms } from '../../src/privileged/programs.ts';
import { sandboxNode, sandboxPath, type SandboxSpec } from '../../src/privileged/sandbox-arguments.ts';
import { createLauncher } from '../../src/privileged/sandboxes.ts';
import { writeSystemCallFilters } from '../../src/privileged/seccomp-filter.ts';
import { systemCallRules, unknown } from '../../src/privileged/seccomp-policy.ts';
import { firstUnknownNumber, type SystemCall, systemCallNumbers } from '../../src/privileged/system-call-numbers.ts';
import { makeCertificate } from '../support/certificate.ts';
import { repositoryPath, startTestDaemon, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { withoutFilters } from '../support/without-filters.ts';
import { ask, pidOf, probeTenant, processFacts } from './probe.ts';

const isX64 = process.arch === 'x64';
const numberOf = (name: SystemCall): number | null => systemCallNumbers[name][isX64 ? 0 : 1];
const filterModeOf = (pid: number): string => /^Seccomp:\s*(\d)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 'none';

type Call = [label: string, call: SystemCall | number, args: (number | string | { bytes: number })[], answer: string];

/** The calls that this machine has, as the probe takes them. */
function askFor(calls: readonly Call[]): unknown[] {
  return calls.map(([label, call, args]) => [label, typeof call === 'number' ? call : numberOf(call), ...args]);
}

const newUserNamespace = 0x1000_0000;
const above = 2 ** 33;
const at = -100;

const denied: Call[] = systemCallRules.flatMap(({ calls, decision }) =>
  calls.flatMap((name): Call[] =>
    'answer' in decision && numberOf(name) !== null ? [[name, name, [0, 0, 0, 0, 0], decision === unknown ? 'ENOSYS' : 'EPERM']] : [],
  ),
);

const judged: Call[] = [
  ['a user namespace', 'unshare', [newUserNamespace], 'EPERM'],
  ['a user namespace by clone', 'clone', [newUserNamespace, 0, 0, 0, 0], 'EPERM'],
  ['fixed addresses', 'personality', [0x0004_0000], 'EPERM'],
  ['AF_VSOCK', 'socket', [40, 1, 0], 'EAFNOSUPPORT'],
  ['AF_VSOCK with more bits', 'socket', [above + 40, 1, 0], 'EAFNOSUPPORT'],
  ['AF_ALG', 'socket', [38, 5, 0], 'EAFNOSUPPORT'],
  ['AF_PACKET', 'socket', [17, 3, 0], 'EAFNOSUPPORT'],
  ['AF_TIPC', 'socket', [30, 2, 0], 'EAFNOSUPPORT'],
  ['AF_XDP', 'socket', [44, 3, 0], 'EAFNOSUPPORT'],
  ['a raw socket', 'socket', [2, 3, 1], 'EAFNOSUPPORT'],
  ['a ping socket', 'socket', [2, 2, 1], 'EPROTONOSUPPORT'],
  ['netfilter netlink', 'socket', [16, 3, 12], 'EAFNOSUPPORT'],
  ['route netlink', 'socket', [16, 3, 0], 'ok'],
  ['TIOCSTI', 'ioctl', [0, 0x5412, '\0'], 'EPERM'],
  ['TIOCSTI with more bits', 'ioctl', [0, above + 0x5412, '\0'], 'EPERM'],
  ['a line discipline', 'ioctl', [0, 0x5423, '\0\0\0\0'], 'EPERM'],
  // 9 is not open: who answers did not look.
  ['a lingering close', 'setsockopt', [9, 1, 13, { bytes: 8 }, 8], 'ok'],
  ['a close without it', 'setsockopt', [9, 1, 9, { bytes: 4 }, 4], 'EBADF'],
  ['urgent data', 'sendto', [0, 'x', 1, 1, 0, 0], 'ENOTSUP'],
  ['a setuid file', 'openat', [at, '/tmp/setuid', 0o101, 0o4755], 'EPERM'],
  ['a setgid file without a name', 'openat', [at, '/tmp', 0o20_200_001, 0o2755], 'EPERM'],
  ['a plain file', 'openat', [at, '/tmp/plain', 0o101, 0o755], 'ok'],
  ['a plain mode', 'fchmodat', [at, '/tmp/plain', 0o700], 'ok'],
  ['a setuid mode', 'fchmodat', [at, '/tmp/plain', 0o4700], 'EPERM'],
  ['a setgid mode', 'fchmodat2', [at, '/tmp/plain', 0o2700, 0], 'EPERM'],
  ['a setuid node', 'mknodat', [at, '/tmp/node', 0o104_755, 0], 'EPERM'],
  ['the null device', 'mknodat', [at, '/tmp/null', 0o020_666, 0x103], 'EPERM'],
  ['a FIFO', 'mknodat', [at, '/tmp/fifo', 0o010_600, 0], 'ok'],
  ['a call that is newer than the policy', firstUnknownNumber, [], 'ENOSYS'],
  ...(isX64 ? ([['x32', 0x4000_0000 + 39, [], 'ENOSYS']] satisfies Call[]) : []),
];

/** The same app twice: in a strict sandbox, and in the usual one. */
const askingTenant: TenantFiles = {
  'tenant.yaml': 'domains: [asks.test]\n',
  'apps/strict': { copy: repositoryPath('test/fixtures/apps/asks-too-much') },
  'apps/strict/app.yaml': 'kind: node\nentry: server.js\nsandbox: strict\nroutes: ["asks.test/strict"]\ndrain: 1s\n',
  'apps/usual': { copy: repositoryPath('test/fixtures/apps/asks-too-much') },
  'apps/usual/app.yaml': 'kind: node\nentry: server.js\nroutes: ["asks.test/usual"]\ndrain: 1s\n',
};

describe('below the system call filter', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startTestDaemon({ tenants: { alpha: probeTenant('alpha'), asks: askingTenant }, https: true });
    await daemon.untilApps(['alpha/site', 'asks/strict', 'asks/usual']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test('run workers, hosts, edges and certs, with what they are started by inside', async () => {
    const { edge, certs, tenants } = await daemon.status();
    const hosts = tenants.map(({ hostPid }) => hostPid);
    const started = [...hosts, certs.pid, ...edge.processes.map(({ pid }) => pid), await pidOf(daemon, 'alpha/site')];
    const all = [...started, ...started.map((pid) => processFacts(pid).parent)];
    expect(all.map((pid) => [pid, filterModeOf(pid)])).toEqual(all.map((pid) => [pid, '2']));
    expect(new Set(all).size).toBeGreaterThan(8);
    expect(filterModeOf(daemon.pid())).toBe(filterModeOf(process.pid));
  });

  test('each call that is denied whatever its arguments fails at once', async () => {
    const found = await ask<Record<string, string>>(daemon, 'alpha/site', 'systemCalls', { input: askFor(denied) });
    expect(found).toEqual(Object.fromEntries(denied.map(([label, , , answer]) => [label, answer])));
    expect(denied.length).toBeGreaterThan(60);
  });

  test('each call that is judged by its arguments fails or not by them alone', async () => {
    const found = await ask<Record<string, string>>(daemon, 'alpha/site', 'systemCalls', { input: askFor(judged) });
    expect(found).toEqual(Object.fromEntries(judged.map(([label, , , answer]) => [label, answer])));
  });

  test('a strict app has its own files and its network, and Node itself refuses it everything else', async () => {
    const refused = 'ERR_ACCESS_DENIED';
    const found = await ask<Record<string, unknown>>(daemon, 'asks/strict', 'all');
    expect(found).toEqual({
      ...{ 'read its own code': true, 'load its own module': 'ok', 'keep data': 'kept', 'share data': 'ok', 'use /tmp': 'ok' },
      ...{
        'read /usr': refused,
        'read /etc': refused,
        'read /proc': refused,
        'list its neighbours': refused,
        'write its own code': refused,
      },
      ...{ 'start a program': refused, 'start a thread': refused, 'load an addon': 'ERR_DLOPEN_DISABLED', 'open the inspector': refused },
      'call another server': 'ok',
    });
    const usual = await ask<Record<string, unknown>>(daemon, 'asks/usual', 'all');
    const differing = Object.keys(found).filter((attempt) => found[attempt] !== usual[attempt]);
    const denied = Object.keys(found).filter((attempt) => String(found[attempt]).startsWith('ERR_'));
    expect(differing).toEqual(denied);
    expect(JSON.stringify(usual)).not.toContain(refused);
  });
});

/** Runs a command in a real sandbox with a network of its own, and answers with what it printed. */
async function runIn(
  kind: 'with the filter' | 'without',
  command: readonly string[],
): Promise<{ code: number | undefined; output: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'tenantd-calls-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['sandboxes', 'etc', 'scratch', 'app']) mkdirSync(join(folder, name));
  cpSync(repositoryPath('test/fixtures/programs'), `${folder}/app`, { recursive: true });
  const { chain, key } = makeCertificate(['all.test']);
  writeFileSync(`${folder}/app/chain.pem`, chain);
  writeFileSync(`${folder}/app/key.pem`, key);
  const programs = findPrograms();
  const launcher = createLauncher({
    programs,
    bubblewrap: copyBubblewrap(programs, folder),
    directory: `${folder}/sandboxes`,
    etcDirectory: `${folder}/etc`,
    scratchDirectory: `${folder}/scratch`,
    ...(kind === 'with the filter' && { systemCallFilters: writeSystemCallFilters(folder, process.arch) }),
  });
  const spec: SandboxSpec = {
    ...{ id: 'calls', uid: 65_010, gid: 65_010, hostname: 'calls', tmpBytes: 64 << 20, tmpInodes: 1_000, workingDirectory: '/app' },
    env: { PATH: sandboxPath, HOME: '/tmp', LANG: 'C.UTF-8' },
    binds: [
      { source: `${folder}/app`, target: '/app', access: 'read' },
      { source: process.execPath, target: sandboxNode, access: 'read' },
    ],
    command,
  };
  const network = await createNetwork(programs);
  try {
    const options = { network, controlGroupFiles: [], outOfMemoryScore: 0, output: 'pipe', inherit: [] } as const;
    const { stdout, monitorExited } = await launcher.launch(spec, options);
    const output = stdout ? await text(stdout) : '';
    await monitorExited;
    return { code: launcher.exitCodeOf('calls'), output };
  } finally {
    closeNetwork(network);
  }
}

describe('programs that know nothing of the filter', () => {
  test.each([
    ['Node', ['node', 'all-of-node.js']],
    ['Python', ['/usr/bin/python3', 'all-of-python.py']],
    ['a shell', ['/bin/sh', 'all-of-a-shell.sh']],
  ])('run with it as without: %s', async (_, command) => {
    const [free, filtered] = [await runIn('without', command), await runIn('with the filter', command)];
    expect(free).toMatchObject({ code: 0, output: expect.not.stringContaining('failed:') });
    expect(free.output.length).toBeGreaterThan(200);
    expect(filtered).toEqual(free);
  });

  test.runIf(isX64)('are killed when they call in the way of a 32-bit machine', async () => {
    // mov eax, 20 (getpid of i386); int 0x80; ret
    const program = `import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=7); code.write(bytes.fromhex("b814000000cd80c3"))
print("pid", ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))())`;
    const command = ['/usr/bin/python3', '-c', program];
    const sigsys = 31;
    expect(await runIn('with the filter', command)).toEqual({ code: 128 + sigsys, output: '' });
    expect((await runIn('without', command)).code).not.toBe(128 + sigsys);
  });
});

describe('on a machine whose kernel takes no filter', () => {
  test('no tenant starts, and status says why', async () => {
    await using daemon = await startTestDaemon({ tenants: { alpha: probeTenant('alpha') }, ...withoutFilters() });
    await until(async () => (await daemon.tenant('alpha')).state === 'failed', 'the tenant is said to have failed');
    const { problems, hostPid, apps } = await daemon.tenant('alpha');
    expect(problems).toContainEqual(
      expect.objectContaining({
        code: 'TENANTD_E_LAYER_MISSING',
        message: expect.stringMatching(/"syscalls" can not be had: .*SECCOMP/i),
      }),
    );
    expect([hostPid, apps.flatMap(({ workers }) => workers)]).toEqual([0, []]);
  });

  test('tenants start where the operator says so, and status goes on saying it', async () => {
    const config = 'isolation: { without: [syscalls] }';
    await using daemon = await startTestDaemon({ tenants: { alpha: probeTenant('alpha') }, config, ...withoutFilters() });
    await daemon.untilApps(['alpha/site']);
    const { problems } = await daemon.tenant('alpha');
    expect(problems).toContainEqual(
      expect.objectContaining({
        code: 'TENANTD_E_LAYER_WAIVED',
        message: expect.stringContaining('runs without the layer "syscalls"'),
      }),
    );
  });
});
