import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type InstallWorld, makeInstallWorld, type Ran } from './install-world.ts';

const config = '/etc/tenantd/tenantd.yaml';
const current = '/usr/lib/tenantd/current';

async function succeeded(running: Promise<Ran>): Promise<string> {
  const { code, output } = await running;
  if (code !== 0) throw new Error(`it ended with ${code}:\n${output}`);
  return output;
}

/** Each test goes on from where the one before left the machine, as an operator does. */
describe('scripts/install and scripts/uninstall', () => {
  let world: InstallWorld;
  let first: string;
  let second: string;
  beforeAll(async () => {
    world = await makeInstallWorld();
    [first, second] = [await world.release('1.0.0'), await world.release('1.1.0')];
  });
  afterAll(() => world?.[Symbol.asyncDispose]());
  const install = (folder: string, ...args: string[]) => world.run(`${folder}/scripts/install`, ...args);
  const currentBuild = async (): Promise<string> => (await world.run('readlink', current)).output.trim();
  const existing = async (paths: string[]): Promise<string[]> =>
    (await world.run('find', ...paths, '-maxdepth', '0')).output.split('\n').filter((line) => line.startsWith('/'));

  test('killed in the middle, it can be run again', async () => {
    await world.run(
      'sh',
      '-c',
      "printf '#!/bin/sh\\nkill -KILL $PPID\\n' >/usr/local/bin/systemd-tmpfiles; chmod 755 /usr/local/bin/systemd-tmpfiles",
    );
    const killed = await install(first, '--http', '18080', '--https', '18443');
    expect(killed.code).not.toBe(0);
    expect((await world.run('ls', config)).code).not.toBe(0);
    await world.run('rm', '/usr/local/bin/systemd-tmpfiles');
    await world.run('mkdir', '/usr/lib/tenantd/torn.new');
  });

  test('the first time it puts program, users, folders, units and a configuration, looks at the machine, and starts the daemon', async () => {
    const output = await succeeded(install(first, '--http', '18080', '--https', '18443'));
    expect(output).toMatch(/\[1\/4\][^]*\[2\/4\][^]*tenantctl doctor[^]*kernel[^]*\[4\/4\][^]*What now/);
    expect(await currentBuild()).toBe('1.0.0-00000000');
    expect((await world.run('ls', '/usr/lib/tenantd')).output.split('\n').filter(Boolean)).toEqual([
      '1.0.0-00000000',
      'current',
      'enabled',
    ]);
    expect((await world.run('tenantd', '--version')).output).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await world.run('ls', '/etc/tenantd/templates')).output).toContain('static');
    expect(await world.read(config)).toContain('http: { listen: ["[::]:18080"] }');
    expect((await world.run('tenantctl', 'check')).output).toContain('no problems');
    expect((await world.run('stat', '-c', '%U %a', '/srv/tenantd/tenants', config, `${current}/bin/node`)).output).toBe(
      'root 755\nroot 644\nroot 755\n',
    );
    expect((await world.run('id', '-u', 'tenantd-resolver')).code).toBe(0);
    expect(await world.calls()).toEqual([
      'systemctl daemon-reload',
      'systemctl enable --quiet tenantd.service tenantd-tenants.service',
      'systemctl reset-failed tenantd.service tenantd-tenants.service',
      'systemctl restart tenantd.service',
    ]);
  });

  test('again, it changes nothing and restarts nothing', async () => {
    await world.run('sh', '-c', `echo '# mine' >>${config}`);
    await succeeded(install(first));
    expect(await world.calls()).toEqual([]);
    expect(await world.read(config)).toContain('# mine');
  });

  test('a new version takes the place of the old, which stays for going back', async () => {
    await succeeded(install(second));
    expect(await currentBuild()).toBe('1.1.0-00000000');
    expect((await world.calls()).at(-1)).toBe('systemctl restart tenantd.service');
    await succeeded(install(second, '--back'));
    expect(await currentBuild()).toBe('1.0.0-00000000');
    await succeeded(install(second, '--back'));
    expect(await currentBuild()).toBe('1.1.0-00000000');
    expect(await world.read(config)).toContain('# mine');
  });

  test('a version that does not start is taken back, and says what it said', async () => {
    await world.calls();
    const { code, output } = await install(await world.release('1.2.0', true));
    expect(code).toBe(1);
    expect(output).toContain('said by the service');
    expect(output).toContain('1.2.0-00000000 did not start, and nothing has changed');
    expect(await currentBuild()).toBe('1.1.0-00000000');
    expect((await world.calls()).filter((call) => call.includes('restart'))).toHaveLength(2);
    expect((await world.run('test', '-e', '/run/active')).code).toBe(0);
  });

  test('of many versions the one that runs and the one before are kept', async () => {
    await succeeded(install(await world.release('1.3.0')));
    expect((await world.run('ls', '/usr/lib/tenantd')).output.split('\n').filter(Boolean)).toEqual([
      '1.1.0-00000000',
      '1.3.0-00000000',
      'current',
      'enabled',
      'previous',
    ]);
  });

  test('what it does not know, or can not do, it says with exit code 2 or 1, and changes nothing', async () => {
    expect(await install(first, '--prefix', '/opt')).toMatchObject({
      code: 2,
      output: expect.stringContaining('unknown argument') as string,
    });
    expect(await install(first, '--http', '70000')).toMatchObject({ code: 2 });
    const { code, output } = await world.run('setpriv', '--reuid=65534', '--clear-groups', `${first}/scripts/install`);
    expect({ code, output }).toMatchObject({ code: 1, output: expect.stringContaining('root is needed') as string });
  });

  test('uninstalled, it leaves the data, says so, and stops what runs', async () => {
    await world.run('mkdir', '-p', '/srv/tenantd/tenants/acme', '/var/lib/tenantd');
    await world.calls();
    const output = await succeeded(world.run(`${current}/scripts/uninstall`));
    expect(output).toMatch(/kept[^]*\/srv\/tenantd\/tenants\n[^]*\/etc\/tenantd\n/);
    expect(await world.calls()).toContain('systemctl stop tenantd-tenants.service tenantd.service');
    const gone = ['/usr/lib/tenantd', '/usr/bin/tenantd', '/usr/bin/tenantctl', '/usr/lib/systemd/system/tenantd.service'];
    expect(await existing(gone)).toEqual([]);
    expect(await existing(['/srv/tenantd/tenants/acme', config])).toHaveLength(2);
  });

  test('purged, it leaves nothing of the kind', async () => {
    expect(await world.run(`${first}/scripts/uninstall`, '--yes')).toMatchObject({ code: 2 });
    expect(await world.run(`${first}/scripts/uninstall`, '--purge')).toMatchObject({
      code: 1,
      output: expect.stringContaining('nothing was removed') as string,
    });
    await succeeded(world.run(`${first}/scripts/uninstall`, '--purge', '--yes'));
    const data = ['/srv/tenantd', '/etc/tenantd', '/var/lib/tenantd', '/var/log/tenantd', '/run/tenantd-install.lock'];
    expect(await existing(data)).toEqual([]);
    expect(await world.read('/etc/passwd')).not.toContain('tenantd-');
  });
});
