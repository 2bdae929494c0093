import { describe, expect, test } from 'vitest';
import { prepareTestDaemon, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { breakNetworks } from './broken-network.ts';
import { ask, pidOf, probeTenant, processFacts } from './probe.ts';

/**
 * A machine that lacks something, made of this one: the daemon runs in a mount namespace of its own, in which a file or a
 * folder is covered. Nobody else sees that.
 */
function withMounts(script: string): { wrapper: string[] } {
  return { wrapper: ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', `${script}; exec "$@"`, 'sh'] };
}

const withoutControlGroups = withMounts('mount -t tmpfs none /sys/fs/cgroup');
/** A program that fails, in the place of one that is needed. */
const withBroken = (program: string, complaint: string): { wrapper: string[] } =>
  withMounts(
    `mount -t tmpfs none /mnt; printf '#!/bin/sh\\necho ${complaint} >&2\\nexit 1\\n' > /mnt/broken; chmod 755 /mnt/broken; mount --bind /mnt/broken ${program}`,
  );

/** What runs of the tenant alpha: nothing, now and when it is asked for. */
async function startedOf(daemon: TestDaemon, layer: string): Promise<unknown[]> {
  await until(async () => (await daemon.tenant('alpha')).state === 'failed', 'the tenant is said to have failed');
  const alpha = await daemon.tenant('alpha');
  expect(alpha.problems).toContainEqual(
    expect.objectContaining({ code: 'TENANTD_E_LAYER_MISSING', message: expect.stringContaining(`"${layer}" can not be had`) }),
  );
  expect(alpha.problems[0]?.message).toMatch(/: \S+/);
  await daemon.ctl('reload');
  expect((await daemon.ctl('status')).stdout).toContain('TENANTD_E_LAYER_MISSING');
  const { hostPid, apps } = await daemon.tenant('alpha');
  return [alpha.hostPid, hostPid, ...[...alpha.apps, ...apps].flatMap(({ workers }) => workers)].filter((started) => started !== 0);
}

describe('on a machine that lacks an isolation layer', () => {
  test('no tenant starts without control groups, and status says why', async () => {
    await using daemon = await startTestDaemon({ tenants: { alpha: probeTenant('alpha') }, ...withoutControlGroups });
    expect(await startedOf(daemon, 'resources')).toEqual([]);
  });

  test.each([
    ['/usr/sbin/mke2fs fails', withBroken('/usr/sbin/mke2fs', 'not on this machine')],
    ['it has no loop devices', withMounts('mount --bind /dev/null /dev/loop-control')],
  ])('no tenant starts without disk images: here, %s', async (_, machine) => {
    await using daemon = await startTestDaemon({ tenants: { alpha: probeTenant('alpha') }, ...machine });
    expect(await startedOf(daemon, 'disk')).toEqual([]);
  });

  test('tenants start without control groups where the operator says so, and status goes on saying it', async () => {
    const config = 'isolation: { without: [resources] }';
    await using daemon = await startTestDaemon({ tenants: { alpha: probeTenant('alpha') }, config, ...withoutControlGroups });
    await daemon.untilApps(['alpha/site']);
    const { problems } = await daemon.tenant('alpha');
    expect(problems).toEqual([
      expect.objectContaining({ code: 'TENANTD_E_LAYER_WAIVED', message: expect.stringContaining('runs without the layer "resources"') }),
    ]);
    expect((await daemon.ctl('status')).stdout).toContain('TENANTD_E_LAYER_WAIVED');
    // All other layers are there.
    expect(processFacts(await pidOf(daemon, 'alpha/site'))).toMatchObject({
      capabilities: ['0', '0', '0', '0', '0'],
      noNewPrivileges: '1',
    });
    expect(await ask(daemon, 'alpha/site', 'network')).toMatchObject({ interfaces: ['lo'] });
    expect(await daemon.stop()).toBe(0);
  });

  test('nothing starts without roots of their own, whatever the operator allows: the edge needs one too', async () => {
    const config = 'isolation: { without: [root, network, resources] }';
    const options = { tenants: { alpha: probeTenant('alpha') }, config, ...withBroken('/usr/bin/bwrap', 'not on this machine') };
    await using daemon = await prepareTestDaemon(options);
    await expect(daemon.start()).rejects.toThrow(/TENANTD_E_SANDBOX: the sandbox could not be made: not on this machine/);
  });

  test('no tenant starts without a network of its own, and status says why', async () => {
    await using daemon = await startTestDaemon({ tenants: { alpha: probeTenant('alpha') }, ...withMounts(breakNetworks) });
    expect(await startedOf(daemon, 'network')).toEqual([]);
  });

  test('nothing starts when a program is missing, and the daemon names the package', async () => {
    const wrapper = withMounts('mount --bind /dev/null /usr/bin/nsenter').wrapper;
    await using daemon = await prepareTestDaemon({ tenants: { alpha: probeTenant('alpha') }, wrapper });
    await expect(daemon.start()).rejects.toThrow(/TENANTD_E_PROGRAM_MISSING: not installed: nsenter\n {2}fix: apt-get install util-linux/);
  });
});
