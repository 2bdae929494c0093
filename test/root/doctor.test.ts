import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { DoctorResult } from '../../src/protocol/verify.ts';
import { repositoryPath } from '../support/test-daemon.ts';
import { breakNetworks } from './broken-network.ts';

const run = promisify(execFile);
const tenantctl = repositoryPath('dist/tenantctl.js');

function configuration(httpPort: number): string {
  const directory = mkdtempSync(join(tmpdir(), 'tenantd-doctor-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const dirs = ['tenants', 'state', 'run', 'log'].map((name) => `${name}Dir: ${directory}/${name}`);
  writeFileSync(`${directory}/tenantd.yaml`, [...dirs, `http: { listen: ["127.0.0.1:${httpPort}"] }`].join('\n'));
  return `${directory}/tenantd.yaml`;
}

/** A machine that lacks something, made of this one: nobody else sees that. */
function without(script: string): string[] {
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', `${script}; exec "$@"`, 'sh'];
}

async function doctor(configFile: string, wrapper: readonly string[] = []): Promise<{ code: number; result: DoctorResult }> {
  const [program, ...args] = [...wrapper, process.execPath, tenantctl, '--config', configFile, 'doctor', '--json'];
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
  const { code, stdout } = await run(program, args, { env }).then(
    (done) => ({ code: 0, stdout: done.stdout }),
    (error: { code: number; stdout: string }) => error,
  );
  return { code, result: JSON.parse(stdout) as DoctorResult };
}

const verdictsOf = ({ checks }: DoctorResult): Map<string, string> => new Map(checks.map(({ id, verdict }) => [id, verdict]));
const freePort = 1;

describe('doctor', () => {
  test('tries every layer, and leaves nothing', async () => {
    const configFile = configuration(freePort);
    const { code, result } = await doctor(configFile);
    expect({ code, ok: result.ok, missing: result.checks.filter(({ verdict }) => verdict === 'missing') }).toEqual({
      code: 0,
      ok: true,
      missing: [],
    });
    const layers = ['programs', 'namespaces', 'root', 'syscalls', 'resources', 'network', 'egress', 'disk'].map(
      (name) => `isolation.${name}`,
    );
    expect(layers.map((id) => [id, verdictsOf(result).get(id)])).toEqual(layers.map((id) => [id, 'ok']));
    const silent = result.checks.filter(
      ({ verdict, found, effect, fix }) => found === '' || (verdict !== 'ok' && (effect === '' || fix === '')),
    );
    expect(silent).toEqual([]);
    expect(readdirSync(join(configFile, '..'))).toEqual(['tenantd.yaml']);
    const groups = readdirSync('/sys/fs/cgroup').flatMap((name) =>
      existsSync(`/sys/fs/cgroup/${name}/tasks`) ? readdirSync(`/sys/fs/cgroup/${name}`) : [name],
    );
    expect(groups.filter((name) => name.startsWith('tenantd-doctor-'))).toEqual([]);
  });

  test.each([
    ['isolation.resources', 'mount -t tmpfs none /sys/fs/cgroup', 'missing'],
    ['isolation.disk', 'mount --bind /bin/false "$(readlink -f /usr/sbin/mke2fs)"', 'missing'],
    ['isolation.programs', 'mount --bind /dev/null /usr/bin/bwrap', 'missing'],
    ['isolation.egress', 'mount --bind /dev/null /usr/sbin/nft', 'degraded'],
    ['isolation.root', 'mount --bind /bin/false /usr/bin/bwrap', 'missing'],
    ['isolation.network', breakNetworks, 'missing'],
    ['kernel.pid-max', 'mount -t tmpfs none /mnt; echo 100 > /mnt/x; mount --bind /mnt/x /proc/sys/kernel/pid_max', 'degraded'],
  ])('says what is worse where %s is broken (%s)', async (id, script, verdict) => {
    const { code, result } = await doctor(configuration(freePort), without(script));
    const check = result.checks.find((candidate) => candidate.id === id);
    expect(check).toMatchObject({ verdict });
    expect([check?.effect, check?.fix]).not.toContain('');
    expect({ code, ok: result.ok }).toEqual(verdict === 'missing' ? { code: 1, ok: false } : { code: 0, ok: true });
  });

  test('names who has the port', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { code, result } = await doctor(configuration(port));
    expect(code).toBe(1);
    const check = result.checks.find(({ id }) => id === 'network.http-port');
    expect(check).toMatchObject({ verdict: 'missing', found: expect.stringContaining(`127.0.0.1:${port} is in use by `) });
    expect(check?.found).toContain(`(pid ${process.pid})`);
  });

  test('says without root what it could not try', async () => {
    const wrapper = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--'];
    const { code, result } = await doctor('/nonexistent/tenantd.yaml', wrapper);
    expect(code).toBe(0);
    expect(verdictsOf(result).get('isolation.root')).toBe('degraded');
    expect(result.checks.find(({ id }) => id === 'system.root')).toMatchObject({ verdict: 'degraded', fix: 'sudo tenantctl doctor' });
  });
});
