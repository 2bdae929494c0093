import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { TenantdError } from '../../src/base/errors.ts';
import { type Channel, createChannel } from '../../src/protocol/channel.ts';
import { archiveFrames, deployFrames } from '../../src/protocol/deploy.ts';
import type { ProposalListResult } from '../../src/protocol/proposal-calls.ts';
import { createFrameReader, writeBytes, writeFrame } from '../../src/protocol/terminal.ts';
import { authenticate } from '../../src/protocol/token-calls.ts';
import { startSteadyLoad } from '../support/steady-load.ts';
import { StubDns } from '../support/stub-dns.ts';
import type { TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { footprintOf, forgedMark, startAttackedDaemon, treasures } from './attack-support.ts';
import { releasesOf } from './release-support.ts';
import { sessionFiles } from './shell-support.ts';
import { connectStranger, connectWith, ctlAs, makeToken, nobody } from './token-support.ts';

const { pass } = createRequire(import.meta.url)('../fixtures/apps/passes-descriptors/pass-descriptors.js') as {
  pass: (text: string, socket: net.Socket, user: { uid: number; gid: number }) => boolean;
};

type Attack = [call: string, params: Record<string, unknown>, code: string];

const frame = (method: string, params: object, id?: number): string =>
  `${JSON.stringify({ jsonrpc: '2.0', ...(id !== undefined && { id }), method, params })}\n`;

describe('the admin of a tenant, with a token, a shell and code of its own', () => {
  let daemon: TestDaemon;
  let dns: StubDns;
  let [token, tokenId] = ['', ''];
  const beta = { release: '', tokenId: '', viewer: '', admin: '', proposal: '' };
  let before: Record<string, unknown>;

  beforeAll(async () => {
    // Whatever is asked, the attacker's name servers say what it wants to be heard.
    let proof = '';
    dns = await StubDns.start(({ name }) => (name.startsWith('_tenantd.') ? { answers: [{ type: 'TXT', value: proof }] } : {}));
    daemon = await startAttackedDaemon(dns);
    ({ token, id: tokenId } = await makeToken(daemon, 'admin', 'alpha'));
    beta.release = (await releasesOf(daemon, 'beta/vault')).find(({ current }) => current)?.release ?? '';
    ({ token: beta.viewer, id: beta.tokenId } = await makeToken(daemon, 'viewer', 'beta'));
    beta.admin = (await makeToken(daemon, 'admin', 'beta')).token;
    for (const own of [beta.viewer, beta.admin]) await ctlAs(daemon, own, 'status');
    await ctlAs(daemon, (await makeToken(daemon, 'agent', 'beta')).token, 'app', 'scale', 'beta/vault', '2');
    const { stdout } = await daemon.ctl('proposal', 'list', 'beta', '--json');
    beta.proposal = (JSON.parse(stdout) as ProposalListResult).proposals[0]?.id ?? '';
    const tried = await answerTo('domain-add', { tenant: 'alpha', names: ['any.example'], dryRun: true });
    proof = /TXT \\?"([^"\\]+)/.exec(tried)?.[1] ?? '';
    expect([beta.release, beta.proposal, proof]).not.toContain('');
    before = await footprint();
  }, 120_000);
  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    await dns?.close();
  });

  const footprint = async () => ({ beta: await footprintOf(daemon, 'beta'), gamma: await footprintOf(daemon, 'gamma') });
  afterEach(async () => {
    expect(await footprint()).toEqual(before);
  });

  /** Of one call with alpha's token: what it was answered, or `CODE: message (fix)`. */
  async function answerTo(call: string, params: object): Promise<string> {
    const channel = await connectWith(daemon, token);
    try {
      return JSON.stringify(await channel.request(call, params, 60_000));
    } catch (error) {
      if (!(error instanceof TenantdError)) throw error;
      return `${error.code}: ${error.message} (${error.fix})`;
    } finally {
      channel.close();
    }
  }

  function expectNoTreasure(answer: string): void {
    for (const word of [treasures.secret, treasures.data, beta.tokenId, beta.release, 'gamma']) expect(answer).not.toContain(word);
  }

  async function expectRefused(attacks: readonly Attack[]): Promise<void> {
    for (const [call, params, code] of attacks) {
      const answer = await answerTo(call, params);
      expect([call, params, answer]).toEqual([call, params, expect.stringContaining(`${code}: `)]);
      if (code === 'TENANTD_E_DENIED') expect(answer).not.toContain('beta');
      const asked = JSON.stringify(params);
      for (const word of [treasures.secret, treasures.data, 'gamma', '"running"'])
        if (!asked.includes(word)) expect(answer).not.toContain(word);
    }
  }

  test("is refused everything that is the neighbour's by name", async () => {
    const app = { tenant: 'beta', app: treasures.app };
    const log = { tenant: 'beta', lines: 10, follow: false };
    const calls: Record<string, object> = {
      'app-deploy': app,
      'app-rollback': { ...app, to: 'local' },
      'app-stop': app,
      'app-scale': { ...app, workers: 9 },
      'app-releases': app,
      shell: app,
      exec: { ...app, command: ['id'] },
      logs: log,
      'access-logs': { ...log, follow: true },
      'secret-list': { tenant: 'beta' },
      'secret-set': { ...app, name: 'DB_PASSWORD', value: 'mine', wait: false },
      'schedule-run': { ...app, name: 'nightly', wait: false },
      'tenant-backup': { tenant: 'beta' },
      'domain-remove': { tenant: 'beta', names: [treasures.domain] },
      verify: { tenant: 'beta' },
      usage: { tenant: 'beta', by: 'hour', byApp: true },
      faults: { tenant: 'beta', most: 10 },
      status: { tenant: 'beta' },
      'audit-list': { tenant: 'beta', order: 'newest', limit: 500 },
      'token-create': { tenant: 'beta', role: 'viewer' },
      'token-revoke': { tenant: 'beta', id: beta.tokenId },
      'proposal-approve': { tenant: 'beta', id: beta.proposal },
      'tenant-remove': { tenant: 'beta', now: true },
      'tenant-clone': { tenant: 'beta', as: 'mine', domains: ['mine.example'] },
      'tenant-restore': { as: 'beta' },
      metrics: {},
      'audit-head': {},
      'plan-list': {},
      reload: { edges: true },
    };
    await expectRefused(Object.entries(calls).map(([call, params]): Attack => [call, { ...params }, 'TENANTD_E_DENIED']));
  });

  test('finds no spelling of a name, and no further parameter, that means the neighbour', async () => {
    const odd = [
      'Beta',
      'beta ',
      'beta\0',
      '../beta',
      'alpha/../beta',
      'beta/vault',
      '__proto__',
      '',
      'bet\u0430',
      ['beta'],
      { name: 'beta' },
      null,
      0,
    ];
    const attacks = odd.map((tenant): Attack => ['status', { tenant }, 'TENANTD_E_(INVALID_REQUEST|DENIED)']);
    const more = ['who', 'role', 'actor', 'operator', 'tenants', 'all'].map((key): Attack => [
      'status',
      { tenant: 'alpha', [key]: 'beta' },
      'TENANTD_E_INVALID_REQUEST',
    ]);
    for (const [call, params, code] of [...attacks, ...more]) expect(await answerTo(call, params)).toMatch(new RegExp(`^${code}: `));
    const raw = await connectWith(daemon, token);
    await expect(raw.request('constructor', {})).rejects.toMatchObject({ code: 'TENANTD_E_UNKNOWN_METHOD' });
    await expect(raw.request(authenticate, { token: beta.viewer })).rejects.toMatchObject({ code: 'TENANTD_E_UNKNOWN_METHOD' });
    raw.close();
  });

  test('gets nothing of the neighbour through what is its own', async () => {
    const own = { tenant: 'alpha', app: 'site' };
    await expectRefused([
      ...[beta.release, `../../../beta/apps/vault/releases/${beta.release}`, '../../../beta/apps/vault', 'local/../../../beta'].map(
        (to): Attack => ['app-rollback', { ...own, to }, 'TENANTD_E_NO_SUCH_RELEASE'],
      ),
      ['app-restart', { tenant: 'alpha', app: treasures.app }, 'TENANTD_E_NO_SUCH_APP'],
      ['shell', { tenant: 'alpha', app: treasures.app }, 'TENANTD_E_NO_SUCH_APP'],
      ['logs', { tenant: 'alpha', app: treasures.app, lines: 5, follow: false }, 'TENANTD_E_NO_SUCH_APP'],
      ['app-deploy', { tenant: 'alpha', app: '../../beta/apps/vault' }, 'TENANTD_E_INVALID_REQUEST'],
      ['schedule-run', { ...own, name: 'vault', wait: false }, 'TENANTD_E_NO_SUCH_SCHEDULE'],
      ['schedule-history', { ...own, name: '../beta', runs: 5 }, 'TENANTD_E_INVALID_REQUEST'],
      ['secret-set', { tenant: 'alpha', name: '../../beta/vault/DB_PASSWORD', value: 'x', wait: false }, 'TENANTD_E_INVALID_VALUE'],
      ['cert-renew', { tenant: 'alpha', name: treasures.domain, force: true }, 'TENANTD_E_NO_SUCH_DOMAIN'],
      ['domain-check', { name: treasures.domain }, 'TENANTD_E_NO_SUCH_DOMAIN'],
      ['token-revoke', { id: beta.tokenId }, 'TENANTD_E_NO_SUCH_TOKEN'],
      ['proposal-show', { id: beta.proposal }, 'TENANTD_E_NO_SUCH_PROPOSAL'],
      ['proposal-approve', { id: beta.proposal }, 'TENANTD_E_NO_SUCH_PROPOSAL'],
      ['proposal-deny', { id: beta.proposal, reason: 'mine' }, 'TENANTD_E_NO_SUCH_PROPOSAL'],
    ]);
    const asked: [string, object][] = [
      ['audit-list', { actor: 'operator', order: 'oldest', from: 0, limit: 500 }],
      ['usage', { by: 'hour', byApp: true, after: { tenant: 'beta', rows: 0 } }],
      ['faults', { most: 1_000, sinceMs: 0 }],
      ['cert-list', { after: 'a' }],
      ...['status', 'grants', 'domain-list', 'token-list', 'proposal-list', 'tenant-list', 'schedule-list'].map(
        (call): [string, object] => [call, {}],
      ),
      ['logs', { tenant: 'alpha', lines: 100, follow: false, after: { 'beta.1': 0, '../../beta/logs/vault': 0 } }],
      ['verify', {}],
      ['secret-list', { tenant: 'alpha' }],
    ];
    for (const [call, params] of asked) {
      const answer = await answerTo(call, params);
      expectNoTreasure(answer);
      expect([call, answer]).toEqual([call, expect.not.stringMatching(/"tenant":"beta"|beta\.test|vault"/)]);
    }
  });

  test('can not widen itself', async () => {
    await expectRefused([
      ['token-create', { role: 'admin' }, 'TENANTD_E_DENIED'],
      ['token-create', { role: 'operator' }, 'TENANTD_E_DENIED'],
      ['token-create', { role: 'deployer', lifetimeMs: 'never' }, 'TENANTD_E_DENIED'],
      ['token-create', { role: 'deployer', lifetimeMs: 3_000 * 86_400_000 }, 'TENANTD_E_DENIED'],
      ['token-create', { role: 'deployer', tenant: '' }, 'TENANTD_E_INVALID_REQUEST'],
    ]);
    const ctl = await ctlAs(daemon, token, 'token', 'create', '--tenant', 'beta', '--role', 'viewer');
    expect(ctl).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('TENANTD_E_DENIED') });
  });

  test('takes no domain of the neighbour, nor one below or over it, in any spelling, though its name servers say so', async () => {
    const add = (code: string, ...names: string[]): Attack[] =>
      names.map((name) => ['domain-add', { tenant: 'alpha', names: ['fine.example', name] }, code]);
    const wide = '\uff42\uff45\uff54\uff41.test';
    await expectRefused([
      ...add('TENANTD_E_DOMAIN_TAKEN', 'beta.test', 'BETA.Test', 'beta.test.', wide),
      ...add('TENANTD_E_DOMAIN_PROOF', 'www.beta.test', 'WWW.beta.TEST.', '*.beta.test', 'a.b.c.beta.test', '*.b.beta.test'),
      ...add(
        'TENANTD_E_BAD_DOMAIN',
        '*.test',
        'beta\u3002test',
        'be\u00adta.test',
        'beta.test%2e',
        'beta.test/',
        'beta.test:80',
        'a.beta.test..',
        'xn--\u0000.test',
      ),
    ]);
    expect((await daemon.tenant('alpha')).domains).toEqual(['alpha.test']);
  });

  test('finds nothing of the neighbour from its shell', async () => {
    const secretPlaces = [daemon.directory, daemon.tenantsDir, `${daemon.directory}/run`, `${daemon.directory}/state/state.db`];
    const script = `for path in ${secretPlaces.join(' ')}; do ls "$path/" "$path" && echo REACHED; done
      cat /apps/vault/server.js /shared/beta/lent /data/ledger /run/secrets/DB_PASSWORD && echo REACHED
      kill -0 ${daemon.pid()} && echo REACHED; echo over`;
    for (const at of ['alpha', 'alpha/site']) {
      const { stdout } = await ctlAs(daemon, token, 'exec', at, '--', 'sh', '-c', script);
      expect([at, stdout]).toEqual([at, 'over\n']);
    }
  });

  /** With alpha's token, an archive of these; answers with how it ended. */
  async function deploy(...entries: { header: Parameters<ReturnType<typeof pack>['entry']>[0]; text?: string }[]): Promise<string> {
    const archive = pack();
    for (const { header, text: content } of entries) archive.entry(header, content ?? '');
    archive.finalize();
    const channel = await connectWith(daemon, token);
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
    const target = `${daemon.tenantsDir}/beta/apps/vault`;
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
    expectNoTreasure(built);
    expect(built).not.toMatch(/beta\/apps\/vault\/|server\.js/);
    expect(await releasesOf(daemon, 'alpha/site')).toHaveLength(2);
  });

  test('forges no line of the neighbour, nor anything on the screen of who reads its own', async () => {
    await until(async () => (await daemon.ctl('logs', 'alpha')).stdout.includes(forgedMark), 'it is in the log');
    for (const args of [['beta'], ['beta/vault'], ['--access', 'beta']])
      expect((await daemon.ctl('logs', ...args, '--json')).stdout).not.toContain(forgedMark);
    const { stdout } = await daemon.ctl('logs', 'alpha');
    expect(stdout).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
    expect(
      stdout
        .split('\n')
        .filter((line) => line !== '')
        .every((line) => line.includes('site')),
    ).toBe(true);
    expect((await daemon.ctl('audit', '--json')).stdout).not.toContain(forgedMark);
    const name = `\u001b[2J${forgedMark}\nbeta`;
    expect(await answerTo('token-create', { role: 'viewer', name })).toContain('TENANTD_E_INVALID_REQUEST');
  });

  test('keeps nothing open beyond its token', async () => {
    const made = await makeToken(daemon, 'admin', 'alpha');
    const child = await ctlAs(daemon, made.token, 'token', 'create', '--tenant', 'alpha', '--role', 'deployer', '--json');
    const { token: childToken } = JSON.parse(child.stdout) as { token: string };
    const open = [await connectWith(daemon, made.token), await connectWith(daemon, childToken), await connectWith(daemon, made.token)];
    const closed = Promise.all(open.map((channel) => channel.closed));
    const [follower, other, notifier] = open;
    await follower?.request('logs', { tenant: 'alpha', lines: 0, follow: true });
    const { stream } = (await other?.upgrade('exec', { tenant: 'alpha', command: ['sleep', '1000'] })) ?? expect.fail();
    stream.resume();
    // Nobody waits for the answers, which would each be a connection of their own.
    for (const [call, params] of [
      ['exec', { command: ['sleep', '1000'] }],
      ['app-deploy', { app: 'site' }],
      ['tenant-backup', {}],
    ] as const)
      notifier?.notify(call, { tenant: 'alpha', ...params });
    await notifier?.closed;
    await daemon.ctl('token', 'revoke', made.id);
    await closed;
    if (!stream.closed) await once(stream, 'close');
    await until(() => sessionFiles(daemon).length === 0, 'no session is left');
    for (const gone of [made.token, childToken])
      await expect(connectWith(daemon, gone)).rejects.toMatchObject({ code: 'TENANTD_E_BAD_TOKEN' });
    // What they had begun holds up nobody else.
    let last = '';
    await until(
      async () => (last = await answerTo('tenant-backup', { tenant: 'alpha' })).startsWith('{"tenant"'),
      'a backup can be made',
      10_000,
      async () => last,
    );
    await until(
      async () => (await answerTo('app-deploy', { tenant: 'alpha', app: 'site' })).startsWith('{"release"'),
      'a deploy can be made',
    );
  });

  test('a descriptor that is passed to the daemon never gets there', async (context) => {
    const [taker, giver] = await Promise.all([connectStranger(daemon), connectPair()]);
    // That it is the daemon's socket that refuses, and not the attack that fails.
    expect(pass('x', giver, nobody)).toBe(true);
    if (daemon.log().includes('can not keep users of this machine from holding up the daemon'))
      return context.skip('Linux 6.16 refuses it');
    expect(pass('x', taker, nobody)).toBe(false);
    taker.destroy();
  });

  async function connectPair(): Promise<net.Socket> {
    const server = net.createServer((socket) => socket.resume()).listen(`${daemon.directory}/pair.sock`);
    await once(server, 'listening');
    const socket = net.connect(`${daemon.directory}/pair.sock`);
    await once(socket, 'connect');
    onTestFinished(() => {
      socket.destroy();
      server.close();
    });
    return socket;
  }

  /** A connection that has shown alpha's token and says `payload` again and again, as fast as it is taken. */
  async function flood(payload: string, reads: boolean): Promise<{ saidBytes: () => number; stop: () => void }> {
    const socket = await connectStranger(daemon);
    socket.write(frame(authenticate, { token }, 1));
    await Promise.race([once(socket, 'data'), once(socket, 'close')]);
    if (reads) socket.resume();
    else socket.pause();
    let stopped = false;
    const say = (): void => {
      while (!stopped && !socket.destroyed && socket.write(payload));
    };
    socket.on('drain', say);
    say();
    const stop = (): void => {
      stopped = true;
      socket.destroy();
    };
    onTestFinished(stop);
    return { saidBytes: () => socket.bytesWritten - socket.writableLength, stop };
  }

  const floods: Record<string, [payload: string, reads: boolean]> = {
    'of calls that nobody waits for': [frame('status', {}).repeat(500), true],
    'of calls that are not there': [frame('nothing', {}, 7).repeat(500), true],
    'of answers that it does not read': [frame('audit-list', { order: 'newest', limit: 500 }, 7).repeat(8), false],
    'of large calls': [frame('secret-set', { tenant: 'alpha', name: 'A', value: 'x'.repeat(900_000), wait: false }, 7), true],
    'of nonsense': [`${'['.repeat(100_000)}\n`, true],
  };

  test.each(Object.keys(floods))('a flood %s fails no request of the neighbour, and nobody waits behind it', async (which) => {
    const [payload, reads] = floods[which] ?? expect.fail();
    const load = startSteadyLoad({ port: daemon.port, hosts: [{ host: 'beta.test', expected: 'beta' }], workers: 2 });
    const flooding = await Promise.all(Array.from({ length: 12 }, () => flood(payload, reads)));
    const operator = createChannel({ stream: net.connect(`${daemon.directory}/run/control/operator.sock`), handlers: {} });
    for (let call = 0; call < 50; call += 1)
      expect(await operator.request('tenant-list', {})).toMatchObject({ tenants: expect.anything() });
    operator.close();
    expect(await ctlAs(daemon, beta.viewer, 'status')).toMatchObject({ code: 0 });
    const heardBytes = flooding.reduce((sum, { saidBytes }) => sum + saidBytes(), 0);
    for (const { stop } of flooding) stop();
    const { failures, requests } = await load.stop();
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(20);
    // The rest of it is still with who sent it.
    expect(heardBytes).toBeLessThan(24 << 20);
  });

  /** The floods' connections may be there still: the daemon hears of their end when it reads again. */
  async function connectAgain(): Promise<Channel> {
    let channel: Channel | undefined;
    const connect = (): Promise<boolean> =>
      connectWith(daemon, token).then(
        (made) => (channel = made) !== undefined,
        () => false,
      );
    await until(connect, 'there is room for a connection', 30_000);
    return channel ?? expect.fail();
  }

  test('takes none of the places that are there for all', async () => {
    const channels = await Promise.all(Array.from({ length: 12 }, connectAgain));
    onTestFinished(() => channels.forEach((channel) => channel.close()));
    const taken = channels.flatMap((channel) => [
      channel.request('access-logs', { tenant: 'alpha', lines: 0, follow: true }, 60_000),
      channel.request('logs', { tenant: 'alpha', lines: 0, follow: true }, 60_000),
      channel.request('verify', { tenant: 'alpha', passive: true }, 60_000),
      channel.upgrade('exec', { tenant: 'alpha', command: ['sleep', '1000'] }, 60_000),
    ]);
    const settled = Promise.allSettled(taken);
    const neighbour = await connectWith(daemon, beta.admin);
    onTestFinished(() => neighbour.close());
    expect(await neighbour.request('access-logs', { tenant: 'beta', lines: 0, follow: true })).toMatchObject({ lines: [] });
    expect(await neighbour.request('verify', { tenant: 'beta', passive: true })).toMatchObject({ ok: true });
    expect(await daemon.ctl('exec', 'gamma', '--', 'true')).toMatchObject({ code: 0 });
    const codes = (await settled).map((one) => (one.status === 'rejected' ? (one.reason as TenantdError).code : 'taken'));
    expect(codes).toEqual(expect.arrayContaining(['taken', 'TENANTD_E_TOO_MANY', 'TENANTD_E_BUSY']));
  });

  test('has left its name in its own trail, and in no other', async () => {
    const trailOf = async (tenant: string): Promise<string> => (await daemon.ctl('audit', '--tenant', tenant, '--json')).stdout;
    expect(await trailOf('alpha')).toContain(tokenId);
    for (const other of ['beta', 'gamma']) expect(await trailOf(other)).not.toContain(tokenId);
  });
});
