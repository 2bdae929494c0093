import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { once } from 'node:events';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { judgeProbes, probeArguments } from '../../src/daemon/probe-run.ts';
import { closeNetwork, createNetwork, type Network } from '../../src/privileged/networks.ts';
import { findPrograms } from '../../src/privileged/programs.ts';
import { probes } from '../../src/protocol/probe-list.ts';
import { type Probe, type ProbeInput, type ProbeLayer, probesRefused } from '../../src/protocol/probes.ts';
import { repositoryPath, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { ask, pidOf, probeTenant, processFacts, socketOf } from './probe.ts';
import { attack, attackUnboxed } from './red-team-sandbox.ts';
import { makeWorld, redTeamUid, type World } from './red-team-world.ts';

const plans = 'plans: { starter: { memory: 128M, cpu: 1, processes: 64, disk: 32M, files: 4000, requestsPerSecond: 0 } }';
const tenants = { alpha: probeTenant('alpha'), beta: probeTenant('beta') };
/** What an app's environment may have (README.md), and what the manifest of the probe adds. */
const environment = [
  ...['PATH', 'HOME', 'LANG', 'TZ', 'NODE_ENV', 'PORT', 'PROBE'],
  ...['TENANT', 'APP', 'APP_DIR', 'RELEASE', 'DATA_DIR'].map((name) => `TENANTD_${name}`),
];

/** bubblewrap itself always takes the right to gain rights: without it, they can be gained. */
const unboxed = new Set(['user.new-privileges', 'user.setuid-program', 'user.setuid-mounts']);

/** Attacks whose arguments do nothing: without what stops them they end, but otherwise. What would happen is not for a shared machine. */
const harmless = new Set([
  ...['init.read', 'init.write', 'init.advise', 'process.read', 'mount.move', 'mount.pivot', 'network.new-link'],
  ...['socket.tls', 'socket.pair', 'leak.keys'],
  ...['kexec', 'kexec-file', 'load-module', 'load-module-file', 'unload-module', 'reboot', 'set-clock', 'adjust-clock'].map(inKernel),
  ...['swap', 'accounting', 'host-name', 'domain-name', 'request-key', 'terminal-input', 'terminal-selection'].map(inKernel),
  ...['line-discipline', 'unknown'].map(inKernel),
]);

/** What this machine refuses or lacks for everyone, so that leaving a layer out shows nothing. */
const impossible: Record<string, () => boolean> = {
  'device.memory': () => !existsSync('/dev/mem') && !existsSync('/dev/port'),
  'leak.kcore': () => !existsSync('/proc/kcore'),
  'leak.modules': () => !existsSync('/proc/modules'),
  'leak.sched-debug': () => !existsSync('/proc/sched_debug') && !existsSync('/proc/schedstat'),
  'proc.sysrq': () => !existsSync('/proc/sysrq-trigger'),
  'proc.modprobe': () => !existsSync('/proc/sys/kernel/modprobe') && !existsSync('/proc/sys/fs/binfmt_misc/register'),
  'proc.score': () => !hasCapability(24),
  'limit.descriptors': () => !hasCapability(24),
  // Whether the kernel has them, only such a call could tell.
  'kernel.x32': () => true,
  'kernel.io-ports': () => true,
};

/** Ended as an attack does that nothing stops. */
const success = /(?:^|,)ok(?:,|$)|^found |^not-set$|^runs-as-root$|^core$/;

interface Found {
  inWorker: string;
  denied: boolean;
  control: string;
}

describe('an app that attacks', () => {
  const found = new Map<string, Found>();
  let daemon: TestDaemon;
  let world: World;
  let own: Network;
  let services: net.Server;

  beforeAll(async () => {
    daemon = await startTestDaemon({ tenants, plans });
    await daemon.untilApps(['alpha/site', 'beta/site']);
    services = net.createServer().listen(0, '127.0.0.1');
    await once(services, 'listening');
    world = await makeWorld(redTeamUid);
    own = await createNetwork(findPrograms());
    const inWorker = await attackFromWorker();
    const controls = await attackWithoutLayers();
    for (const { id, outcome, ok } of inWorker) found.set(id, { inWorker: outcome, denied: ok, control: controls.get(id) ?? 'no answer' });
  }, 120_000);

  afterAll(async () => {
    console.log(tableOf(found));
    services?.close();
    if (own) closeNetwork(own);
    await world?.[Symbol.asyncDispose]();
    await daemon?.[Symbol.asyncDispose]();
  });

  /** In a worker that the daemon started. What floods comes last, each by itself. */
  async function attackFromWorker() {
    const words = probeArguments(await victimsOf(daemon, services));
    const send = async (ids: string[]): Promise<string> =>
      (
        await ask<{ output: string }>(daemon, 'alpha/site', 'attack', {
          input: { words: ['files=20000', 'seconds=30', ...words], ids },
          timeoutMs: 60_000,
        })
      ).output;
    const idsOf = (safe: Probe['safe']): string[] => probes.filter((probe) => probe.safe === safe).map(({ id }) => id);
    const outputs = [await send(idsOf('live'))];
    for (const id of idsOf('test')) outputs.push(await send([id]));
    return judgeProbes(probes, outputs.join(''));
  }

  /** Each in a sandbox that lacks exactly the layers that stop it. */
  async function attackWithoutLayers(): Promise<Map<string, string>> {
    const boxed = probes.filter(({ id }) => !unboxed.has(id));
    const groups = [...Map.groupBy(boxed, ({ stoppedBy }) => stoppedBy.join(' '))];
    const controls = [
      await attackUnboxed(
        world,
        probes.filter(({ id }) => unboxed.has(id)),
      ),
    ];
    for (const [layers, chosen] of groups) controls.push(await attack(world, own, layers.split(' ') as ProbeLayer[], chosen));
    return new Map(controls.flatMap((outcomes) => [...outcomes]));
  }

  test.each(probes)('$id: $attack: and is denied', ({ id, expected }) => {
    expect(found.get(id), `expected ${expected.join(' or ')}`).toMatchObject({ denied: true });
  });

  test.each(probes.filter(({ id }) => !impossible[id]?.()))('$id is no longer denied without the layers: $stoppedBy', (probe) => {
    const control = found.get(probe.id)?.control ?? '';
    expect({ control, shown: isShown(probe, control) }).toMatchObject({ shown: true });
  });

  test('is denied in as many ways as there are, and nobody else notices', async () => {
    expect(found.size).toBeGreaterThanOrEqual(200);
    expect(Object.keys(impossible).filter((id) => impossible[id]?.()).length).toBeLessThan(12);
    expect(await ask(daemon, 'beta/site', 'alive')).toMatchObject({ tenant: 'beta' });
    expect((await daemon.tenant('beta')).problems).toEqual([]);
  });

  test('can not be made of the attacks outside of a sandbox', async () => {
    for (const without of [['user'], ['processes', 'user']] as ProbeLayer[][]) {
      await expect(attack(world, own, without, probes.slice(0, 1), { control: false })).rejects.toThrow('refused: ');
    }
    const script = repositoryPath('src/probes/probes.pl');
    const onTheMachine = (marker: string) =>
      spawnSync('perl', [script, 'marker=red-team', '--', 'file.sys'], { uid: 65_534, env: { TENANTD_PROBES: marker }, encoding: 'utf8' });
    expect(onTheMachine('red-team')).toMatchObject({ status: probesRefused, stdout: '', stderr: expect.stringContaining('refused: ') });
    expect(onTheMachine('')).toMatchObject({ status: probesRefused, stdout: '', stderr: 'refused: nobody asked for it\n' });
  });
});

function isShown({ id, expected }: Probe, control: string): boolean {
  return harmless.has(id) ? control.split(',').some((part) => !expected.includes(part)) : success.test(control);
}

/** All that an app of alpha must not reach: of beta, of the daemon, of the machine. */
async function victimsOf(daemon: TestDaemon, services: net.Server): Promise<ProbeInput> {
  const pids = [await pidOf(daemon, 'beta/site'), (await daemon.tenant('beta')).hostPid, daemon.pid()];
  const { directory } = daemon;
  const { port } = services.address() as net.AddressInfo;
  return {
    files: [`${directory}/state/state.db`, `${directory}/tenantd.yaml`, `${directory}/tenants/beta/tenant.yaml`, '/etc/shadow'],
    folders: [directory, ...['tenants', 'state', 'run', 'logs'].map((name) => `${directory}/${name}`)],
    pids,
    uids: processFacts(pids[0] ?? 0).uids.slice(0, 1),
    unixSockets: [`${directory}/run/control/operator.sock`, `${directory}/run/edge/control.sock`, socketOf(daemon, 'beta', 'site')],
    abstractSockets: ['tenantd-red-team-of-nobody'],
    loopbackPorts: [port, daemon.port],
    endpoints: ['169.254.169.254', '10.0.0.5', '203.0.113.10', 'fd00:ec2::254', '2001:db8::5'].map((host) => ({ host, port: 80 })),
    namespaces: pids.flatMap((pid) => ['mnt', 'pid', 'ipc', 'uts', 'cgroup', 'net'].map((name) => readlinkSync(`/proc/${pid}/ns/${name}`))),
    words: ['tenants/beta', `${daemon.userPrefix}beta`],
    interfaces: [],
    environment,
  };
}

function tableOf(found: ReadonlyMap<string, Found>): string {
  const lines = probes.map(({ id, stoppedBy }) => {
    const { inWorker = 'not tried', control = '' } = found.get(id) ?? {};
    const without = impossible[id]?.() ? 'can not be shown here' : control;
    return `${id.padEnd(26)} ${inWorker.padEnd(30)} without ${stoppedBy.join(', ').padEnd(28)} ${without.slice(0, 60)}`;
  });
  return `${probes.length} attacks from inside a worker, and what comes of them without the layers that stop them\n${lines.join('\n')}`;
}

function inKernel(name: string): string {
  return `kernel.${name}`;
}

function hasCapability(bit: number): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> BigInt(bit)) & 1n) === 1n;
}
