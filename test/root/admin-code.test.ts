import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { TenantdError } from '../../src/base/errors.ts';
import { archiveFrames, deployFrames } from '../../src/protocol/deploy.ts';
import { createFrameReader, writeBytes, writeFrame } from '../../src/protocol/terminal.ts';
import { until } from '../support/until.ts';
import { forgedMark } from './attack-support.ts';
import { type AttackWorld, openAttackWorld, wordsIn } from './attack-world.ts';
import { releasesOf } from './release-support.ts';
import { sessionFiles } from './shell-support.ts';
import { connectStranger, connectWith, ctlAs, makeToken, nobody } from './token-support.ts';

const { pass } = createRequire(import.meta.url)('../fixtures/apps/passes-descriptors/pass-descriptors.js') as {
  pass: (text: string, socket: net.Socket, user: { uid: number; gid: number }) => boolean;
};
/** What no terminal is to be given. */
const controls = /[^\P{Cc}\n\t]/u;

describe('the admin of a tenant, with a shell and code of its own', () => {
  let world: AttackWorld;
  beforeAll(async () => {
    world = await openAttackWorld();
  }, 120_000);
  afterAll(() => world?.[Symbol.asyncDispose]());

  test('finds nothing of the neighbour from its shell', async () => {
    const secretPlaces = [
      world.daemon.directory,
      world.daemon.tenantsDir,
      `${world.daemon.directory}/run`,
      `${world.daemon.directory}/state/state.db`,
    ];
    const script = `for path in ${secretPlaces.join(' ')}; do ls "$path/" "$path" && echo REACHED; done
      cat /apps/vault/server.js /shared/beta/lent /data/ledger /run/secrets/DB_PASSWORD && echo REACHED
      kill -0 ${world.daemon.pid()} && echo REACHED; echo over`;
    for (const at of ['alpha', 'alpha/site']) {
      const { stdout } = await ctlAs(world.daemon, world.token, 'exec', at, '--', 'sh', '-c', script);
      expect([at, stdout]).toEqual([at, 'over\n']);
    }
    expect(await world.footprint()).toEqual(world.before);
  });

  /** With alpha's token, an archive of these; answers with how it ended. */
  async function deploy(...entries: { header: Parameters<ReturnType<typeof pack>['entry']>[0]; text?: string }[]): Promise<string> {
    const archive = pack();
    for (const { header, text: content } of entries) archive.entry(header, content ?? '');
    archive.finalize();
    const channel = await connectWith(world.daemon, world.token);
    const { stream } = await channel.upgrade('app-deploy', { tenant: 'alpha', app: 'site' });
    let [end, printed] = ['', ''];
    const read = createFrameReader((type, payload) => {
      if (type === deployFrames.end) end = payload.toString();
      if (type === deployFrames.output) printed += payload.toString();
    });
    stream
      .on('data', read)
      .on('error', () => {})
      .resume();
    for await (const chunk of archive) await writeBytes(stream, archiveFrames.data, chunk as Buffer).catch(() => {});
    await writeFrame(stream, archiveFrames.end, Buffer.alloc(0)).catch(() => {});
    if (!stream.closed) await once(stream, 'close');
    return `${end}${printed}`;
  }

  test('gets nowhere by an archive, nor by what it builds', async () => {
    const file = (name: string, content = 'forged') => ({ header: { name, uid: 0, gid: 0, mode: 0o6777 }, text: content });
    const link = (name: string, linkname: string, type: 'symlink' | 'link') => ({ header: { name, linkname, type } });
    const target = `${world.daemon.tenantsDir}/beta/apps/vault`;
    const hostile = [
      [file('../../../beta/apps/vault/server.js')],
      [file(`${target}/server.js`)],
      [link('out', target, 'symlink'), file('out/server.js')],
      [link('out', '../../../../beta/apps/vault', 'symlink')],
      [link('out', `${target}/server.js`, 'link')],
      [{ header: { name: 'disk', type: 'block-device' as const, devmajor: 8, devminor: 0 } }],
    ];
    for (const entries of hostile) expect(await deploy(file('index.html'), ...entries)).toContain('TENANTD_E_');
    const look = `find / -name '*beta*' -not -path '/proc/*' -not -path '/sys/*' -not -path '/usr/*' -not -path '/etc/*' 2>/dev/null; ls ${target}; exit 7`;
    const built = await deploy(file('app.yaml', `kind: static\nbuild: ["sh", "-c", ${JSON.stringify(look)}]\n`), file('index.html'));
    expect(built).toContain('TENANTD_E_');
    expect(wordsIn(built, world)).toEqual([]);
    expect(built).not.toMatch(/beta\/apps\/vault\/|server\.js/);
    expect(await releasesOf(world.daemon, 'alpha/site')).toHaveLength(2);
    expect(await world.footprint()).toEqual(world.before);
  });

  test('forges no line of the neighbour, nor anything on the screen of who reads its own', async () => {
    await until(async () => (await world.daemon.ctl('logs', 'alpha')).stdout.includes(forgedMark), 'it is in the log');
    for (const args of [['beta'], ['beta/vault'], ['--access', 'beta']])
      expect((await world.daemon.ctl('logs', ...args, '--json')).stdout).not.toContain(forgedMark);
    const { stdout } = await world.daemon.ctl('logs', 'alpha');
    expect(stdout).not.toMatch(controls);
    expect(
      stdout
        .split('\n')
        .filter((line) => line !== '')
        .every((line) => line.includes('site')),
    ).toBe(true);
    expect((await world.daemon.ctl('audit', '--json')).stdout).not.toContain(forgedMark);
    const name = `\u001b[2J${forgedMark}\nbeta`;
    expect(await world.answerTo('token-create', { role: 'viewer', name })).toContain('TENANTD_E_INVALID_REQUEST');
    expect(await world.footprint()).toEqual(world.before);
  });

  /** The operator's: of these, only what is under way is in the way. */
  async function canBegin(call: string): Promise<boolean> {
    const channel = world.connectOperator();
    const params = { tenant: 'alpha', ...(call === 'app-deploy' && { app: 'site' }) };
    const answer = await channel.request(call, params).catch((error: unknown) => error);
    channel.close();
    if (answer instanceof TenantdError && answer.code !== 'TENANTD_E_BUSY') throw answer;
    return !(answer instanceof TenantdError);
  }

  test('keeps nothing open beyond its token', async () => {
    const made = await makeToken(world.daemon, 'admin', 'alpha');
    const child = await ctlAs(world.daemon, made.token, 'token', 'create', '--tenant', 'alpha', '--role', 'deployer', '--json');
    const { token: childToken } = JSON.parse(child.stdout) as { token: string };
    const connect = (shown: string) => connectWith(world.daemon, shown);
    const [follower, other, notifier] = await Promise.all([connect(made.token), connect(childToken), connect(made.token)]);
    const closed = Promise.all([follower, other, notifier].map((channel) => channel.closed));
    await follower.request('logs', { tenant: 'alpha', lines: 0, follow: true });
    const { stream } = await other.upgrade('exec', { tenant: 'alpha', command: ['sleep', '1000'] });
    stream.resume();
    // Nobody waits for the answers, which would each be a connection of their own.
    for (const [call, params] of [
      ['exec', { command: ['sleep', '1000'] }],
      ['app-deploy', { app: 'site' }],
      ['tenant-backup', {}],
    ] as const)
      notifier.notify(call, { tenant: 'alpha', ...params });
    await notifier.closed;
    await world.daemon.ctl('token', 'revoke', made.id);
    await closed;
    if (!stream.closed) await once(stream, 'close');
    await until(() => sessionFiles(world.daemon).length === 0, 'no session is left');
    for (const gone of [made.token, childToken])
      await expect(connectWith(world.daemon, gone)).rejects.toMatchObject({ code: 'TENANTD_E_BAD_TOKEN' });
    // What they had begun holds up nobody else.
    await until(() => canBegin('app-deploy'), 'a deploy can begin');
    await until(() => canBegin('tenant-backup'), 'a backup can begin');
    expect(await world.footprint()).toEqual(world.before);
  });

  test('a descriptor that is passed to the daemon never gets there', async (context) => {
    const [taker, giver] = await Promise.all([connectStranger(world.daemon), connectPair()]);
    // That it is the daemon's socket that refuses, and not the attack that fails.
    expect(pass('x', giver, nobody)).toBe(true);
    context.skip(world.daemon.log().includes('this kernel can not keep users'), 'Linux 6.16 refuses it');
    expect(pass('x', taker, nobody)).toBe(false);
    taker.destroy();
    expect(await world.footprint()).toEqual(world.before);
  });

  async function connectPair(): Promise<net.Socket> {
    const server = net.createServer((socket) => socket.resume()).listen(`${world.daemon.directory}/pair.sock`);
    await once(server, 'listening');
    const socket = net.connect(`${world.daemon.directory}/pair.sock`);
    await once(socket, 'connect');
    onTestFinished(() => {
      socket.destroy();
      server.close();
    });
    return socket;
  }
});
