import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import type net from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Channel } from '../../src/protocol/channel.ts';
import { authenticate } from '../../src/protocol/token-calls.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { sessionFiles } from './shell-support.ts';
import { attempt, connectStranger, connectWith, ctlAs, makeToken, nobody, openFolder, smallTenant } from './token-support.ts';

const frame = (method: string, params: object, id = 1): string => `${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`;

/** All that came until the daemon closed it. */
async function heardUntilClosed(socket: net.Socket): Promise<string> {
  let heard = '';
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
  // Not by `once` of node:events, to which a reset is a fault.
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
  return heard;
}

describe('who is not root', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startTestDaemon({ tenants: { acme: smallTenant('acme'), globex: smallTenant('globex') } });
    openFolder(daemon);
    await daemon.untilApps(['acme/site', 'globex/site']);
  }, 120_000);
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test('comes to one socket, and to nothing else of the daemon', () => {
    const asNobody = ['--reuid', `${nobody.uid}`, '--regid', `${nobody.gid}`, '--clear-groups', '--'];
    const find = (what: string[]): string[] => {
      const { stdout } = spawnSync('setpriv', [...asNobody, 'find', `${daemon.directory}/run`, ...what], { encoding: 'utf8' });
      return stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((path) => path.slice(`${daemon.directory}/run/`.length));
    };
    expect(find(['-writable', '-not', '-type', 'l'])).toEqual(['access/token.sock']);
    expect(find(['-type', 's'])).toEqual(['access/token.sock']);
  });

  test('is told how to give a token, and gets nothing without one', async () => {
    for (const args of [['status'], ['app', 'restart', 'acme/site'], ['token', 'list']]) {
      const { code, stderr, stdout } = await ctlAs(daemon, undefined, ...args);
      expect([code, stdout]).toEqual([3, '']);
      expect(stderr).toMatch(/TENANTD_TOKEN or by --token-file/);
    }
  });

  test('with a token does what its role may', async () => {
    const { token } = await makeToken(daemon, 'deployer', 'acme');
    const status = await ctlAs(daemon, token, 'status', '--json');
    expect(status.code).toBe(0);
    expect((JSON.parse(status.stdout) as { tenants: { name: string }[] }).tenants.map(({ name }) => name)).toEqual(['acme']);
    expect(await ctlAs(daemon, token, 'app', 'restart', 'acme/site')).toMatchObject({ code: 0 });
    expect(await ctlAs(daemon, token, 'exec', 'acme', '--', 'echo', 'inside')).toMatchObject({ code: 0, stdout: 'inside\n' });
    const denied = await ctlAs(daemon, token, 'app', 'restart', 'globex/site');
    expect(denied).toMatchObject({ code: 1, stderr: expect.stringContaining('TENANTD_E_DENIED') });
  });

  test('a token decides for root, too', async () => {
    const { token } = await makeToken(daemon, 'viewer', 'acme');
    const file = `${daemon.directory}/viewer.token`;
    writeFileSync(file, `${token}\n`, { mode: 0o600 });
    expect(await daemon.ctl('--token-file', file, 'reload')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('TENANTD_E_DENIED'),
    });
    expect(await daemon.ctl('--token-file', file, 'logs', 'acme/site')).toMatchObject({ code: 0 });
    chmodSync(file, 0o644);
    expect(await daemon.ctl('--token-file', file, 'status')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('TENANTD_E_BAD_TOKEN'),
    });
  });

  test.each([
    ['none', ''],
    ['another secret', `tenantd_ID_${'x'.repeat(43)}`],
    ['another id', `tenantd_zzzzzz_SECRET`],
  ])('with a wrong token, %s, gets one answer, and is closed', async (_what, shape) => {
    const { token, id } = await makeToken(daemon, 'admin', 'acme');
    const wrong = shape.replace('ID', id).replace('SECRET', token.slice(-43));
    const socket = await connectStranger(daemon);
    socket.write(frame(authenticate, { token: wrong }));
    expect(await heardUntilClosed(socket)).toContain('TENANTD_E_BAD_TOKEN');
    expect(daemon.log()).toContain('who came with a token was refused');
    expect(daemon.log()).not.toContain(token.slice(-43));
  });

  test('asks for nothing before the token, nor behind it in one breath', async () => {
    const { token } = await makeToken(daemon, 'admin', 'acme');
    const tries = [
      frame('status', {}) + frame(authenticate, { token }, 2),
      frame(authenticate, { token: 'wrong' }) + frame('status', {}, 2) + frame(authenticate, { token }, 3),
      `${JSON.stringify({ jsonrpc: '2.0', method: authenticate, params: { token } })}\n${frame('status', {}, 2)}`,
      frame('status', {}).repeat(20),
      'GET / HTTP/1.1\r\n\r\n',
      '{"jsonrpc":"2.0","id":1,"method":"__proto__"}\n'.repeat(2),
    ];
    for (const bytes of tries) {
      const socket = await connectStranger(daemon);
      socket.write(bytes);
      expect(await heardUntilClosed(socket)).not.toContain('"tenants"');
    }
  });

  test('sends no large frames, and is not waited for', async () => {
    const [large, endless, silent] = [await connectStranger(daemon), await connectStranger(daemon), await connectStranger(daemon)];
    large.write(frame(authenticate, { token: 'x'.repeat(1_000) }));
    endless.write('x'.repeat(100_000));
    expect(await heardUntilClosed(large)).toBe('');
    expect(await heardUntilClosed(endless)).toBe('');
    expect(await heardUntilClosed(silent)).toBe('');
  });

  test('can not keep others away by a thousand connections', async () => {
    const { token } = await makeToken(daemon, 'viewer', 'acme');
    const descriptors = (): number => readdirSync(`/proc/${daemon.pid()}/fd`).length;
    const before = descriptors();
    const sockets: net.Socket[] = [];
    // Those for whom the socket's queue has no room are refused (EAGAIN), and come again.
    while (sockets.length < 1_000) {
      const tries = await Promise.allSettled(Array.from({ length: 100 }, () => connectStranger(daemon)));
      sockets.push(...tries.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : [])));
    }
    await until(() => descriptors() < before + 200, 'no more than some are open');
    expect(await ctlAs(daemon, token, 'status')).toMatchObject({ code: 0 });
    expect(await daemon.ctl('status')).toMatchObject({ code: 0 });
    await Promise.all(sockets.map((socket) => heardUntilClosed(socket)));
    await until(() => descriptors() < before + 20, 'none of them is open any more');
  });

  test('has a number of connections, and of calls on each', async () => {
    const { token } = await makeToken(daemon, 'viewer', 'acme');
    const open = await Promise.all(Array.from({ length: 16 }, () => connectWith(daemon, token)));
    await expect(connectWith(daemon, token)).rejects.toMatchObject({ code: 'TENANTD_E_TOO_MANY' });
    for (const channel of open) channel.close();
    const again: Channel[] = [];
    const connect = async (): Promise<boolean> => again.push(await connectWith(daemon, token)) > 0;
    await until(() => connect().catch(() => false), 'there is room again');
    const asked = Array.from({ length: 40 }, () => Promise.resolve(again[0]?.request('status', {})));
    const ended = await Promise.allSettled(asked);
    expect(ended.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(20);
  });

  test('who asks without reading holds nobody up', async () => {
    const { token } = await makeToken(daemon, 'viewer', 'globex');
    const socket = await connectStranger(daemon);
    socket.write(frame(authenticate, { token }));
    await once(socket, 'data');
    socket.pause();
    let id = 10;
    const timer = setInterval(() => socket.write(frame('status', {}, (id += 1)).repeat(8)), 20);
    onTestFinished(() => clearInterval(timer));
    expect(await daemon.ctl('status')).toMatchObject({ code: 0 });
    clearInterval(timer);
    socket.destroy();
  });
});

describe('a token', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startTestDaemon({ tenants: { acme: smallTenant('acme'), globex: smallTenant('globex') } });
    openFolder(daemon);
    await daemon.untilApps(['acme/site', 'globex/site']);
  }, 120_000);
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test.each(['revoked', 'expired'])('loses logs that are followed, and shells, when its token is %s', async (how) => {
    const { token, id } = await makeToken(daemon, 'deployer', 'acme', ...(how === 'expired' ? ['--expires', '4s'] : []));
    const channel = await connectWith(daemon, token);
    await channel.request('logs', { tenant: 'acme', lines: 0, follow: true });
    const idle = await connectWith(daemon, token);
    const shell = await (await connectWith(daemon, token)).upgrade('exec', { tenant: 'acme', command: ['sleep', '1000'] });
    shell.stream.resume();
    expect(sessionFiles(daemon).length).toBeGreaterThan(0);
    const ended = Promise.all([channel.closed, idle.closed, once(shell.stream, 'close')]);
    if (how === 'revoked') await daemon.ctl('token', 'revoke', id);
    await ended;
    await until(() => sessionFiles(daemon).length === 0, 'the shell has ended');
    await expect(connectWith(daemon, token)).rejects.toMatchObject({ code: 'TENANTD_E_BAD_TOKEN', message: expect.stringContaining(how) });
  });

  test('finds nothing of another tenant by its names, in any parameter', async () => {
    const { token } = await makeToken(daemon, 'admin', 'acme');
    const before = JSON.stringify((await daemon.tenant('globex')).apps);
    const asked: [string, object][] = [
      ['logs', { tenant: 'acme', app: 'globex', lines: 5, follow: false }],
      ['app-restart', { tenant: 'acme', app: 'globex' }],
      ['app-rollback', { tenant: 'acme', app: 'site', to: '../../../globex/apps/site' }],
      ['app-deploy', { tenant: 'acme', app: '..' }],
      ['domain-check', { name: 'globex.test' }],
      ['domain-add', { tenant: 'acme', names: ['globex.test'] }],
      ['domain-remove', { tenant: 'acme', names: ['globex.test'] }],
      ['cert-renew', { tenant: 'acme', name: 'globex.test', force: true }],
      ['cert-list', { after: 'a' }],
      ['secret-set', { tenant: 'acme', app: 'globex', name: '../globex', value: 'x', wait: false }],
      ['schedule-run', { tenant: 'acme', app: 'site', name: 'globex', wait: false }],
      ['shell', { tenant: 'acme', app: 'globex' }],
      ['token-revoke', { id: (await makeToken(daemon, 'viewer', 'globex')).id }],
      ['audit-list', { actor: 'operator', order: 'newest', limit: 100 }],
    ];
    for (const [call, params] of asked) {
      const { text: answer } = await attempt(daemon, token, call, params).catch((error: unknown) => ({ text: String(error) }));
      expect([call, answer]).toEqual([call, expect.not.stringContaining('"globex"')]);
      expect([call, answer]).toEqual([call, expect.not.stringMatching(/globex\/site|"running"/)]);
    }
    expect(JSON.stringify((await daemon.tenant('globex')).apps)).toBe(before);
    expect(JSON.parse((await daemon.ctl('token', 'list', '--tenant', 'globex', '--json')).stdout)).toMatchObject({
      tokens: expect.arrayContaining([expect.not.objectContaining({ revokedAt: expect.anything() })]),
    });
  });

  test('can not widen itself', async () => {
    const { token, expiresAt = '' } = await makeToken(daemon, 'admin', 'acme', '--expires', '10d');
    const made = await ctlAs(daemon, token, 'token', 'create', '--tenant', 'acme', '--role', 'deployer', '--json');
    expect((JSON.parse(made.stdout) as { expiresAt: string }).expiresAt).toBe(expiresAt);
    for (const more of [
      ['--role', 'admin', '--tenant', 'acme'],
      ['--role', 'operator'],
      ['--role', 'viewer', '--tenant', 'globex'],
      ['--role', 'viewer', '--tenant', 'acme', '--expires', '11d'],
      ['--role', 'viewer', '--tenant', 'acme', '--expires', 'never'],
    ])
      expect(await ctlAs(daemon, token, 'token', 'create', ...more)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('TENANTD_E_DENIED'),
      });
  });

  test('fills neither the log nor the audit trail with what it is refused', async () => {
    const { token, id } = await makeToken(daemon, 'viewer', 'globex');
    const channel = await connectWith(daemon, token);
    let refused = 0;
    for (let count = 0; count < 150; count += 1) await channel.request('reload', {}).catch(() => (refused += 1));
    channel.close();
    expect(refused).toBe(150);
    using database = new DatabaseSync(`${daemon.directory}/state/state.db`, { readOnly: true });
    const rows = database.prepare('SELECT action, outcome FROM audit WHERE actor LIKE ?').all(`token ${id}%`);
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.length).toBeLessThanOrEqual(21);
    expect(rows[0]).toMatchObject({ action: 'reload', outcome: expect.stringContaining('TENANTD_E_DENIED') });
  });
});
