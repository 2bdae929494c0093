import type { ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { request } from '../support/client.ts';
import { repositoryPath, startTestDaemon, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { connectAsHost, frame } from './hostile-host.ts';

interface User {
  uid: number;
  gid: number;
}

const { pass, keepBusy } = createRequire(import.meta.url)('../fixtures/apps/passes-descriptors/pass-descriptors.js') as {
  pass: (text: string, socket: Socket, user: User) => boolean;
  keepBusy: (user: User) => ChildProcess;
};

const app = { copy: repositoryPath('test/fixtures/apps/passes-descriptors') };
const attackLimitMs = 50_000;

function tenant(name: string): TenantFiles {
  return { 'tenant.yaml': `domains: [${name}.test]\n`, 'apps/site': app };
}

describe('a tenant whose app passes descriptors to the edge, which the kernel takes long to close', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startTestDaemon({ tenants: { good: tenant('good'), bad: tenant('bad') } });
    await daemon.untilApps(['good/site', 'bad/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  const askGood = async (): Promise<string> => (await request(daemon.port, { host: 'good.test' })).text;
  const attack = async (): Promise<number> => (await request(daemon.port, { host: 'bad.test', path: '/pass' })).status;

  test('is set aside after a few times, and no request of another one fails', async () => {
    const words = new Set<string>();
    await until(
      async () => {
        const [status, word] = await Promise.all([attack(), askGood()]);
        words.add(word);
        return status === 503;
      },
      'the edge answers in place of the app',
      attackLimitMs,
    );
    expect([...words]).toEqual(['well']);
  });

  test('is named, with what it did, and the other one is not', async () => {
    await until(async () => (await daemon.tenant('bad')).problems.length > 0, 'the tenant has its problem');
    expect((await daemon.tenant('bad')).problems.map(({ code }) => code)).toEqual(['TENANTD_E_STALLS']);
    expect((await daemon.tenant('good')).problems).toEqual([]);
    expect(await askGood()).toBe('well');
  });
});

describe('a tenant host that passes descriptors to the daemon, which the kernel takes long to close', () => {
  let daemon: TestDaemon;
  const started: ChildProcess[] = [];
  beforeAll(async () => {
    daemon = await startTestDaemon({ tenants: { good: tenant('good'), bad: tenant('bad') } });
    await daemon.untilApps(['good/site', 'bad/site']);
  });
  afterAll(async () => {
    for (const child of started) child.kill('SIGKILL');
    await daemon?.[Symbol.asyncDispose]();
  });

  test('is ended and started again, and nobody else notices', async () => {
    const [bad, good] = [await daemon.tenant('bad'), await daemon.tenant('good')];
    // Instead of replacing its program: it says nothing from now on.
    process.kill(bad.hostPid, 'SIGSTOP');
    const host = await connectAsHost(daemon, 'bad');
    const user = { uid: bad.uid, gid: bad.uid };
    started.push(keepBusy(user));
    await until(
      () => {
        if (!host.socket.destroyed) pass(frame({ method: 'log', params: { level: 'info', message: 'x' } }), host.socket, user);
        return Promise.resolve(daemon.log().includes('what held up the daemon'));
      },
      'the daemon had enough',
      attackLimitMs,
    );
    await host.closed;
    await until(async () => ![0, bad.hostPid].includes((await daemon.tenant('bad')).hostPid), 'another host is there');
    await daemon.untilApps(['good/site', 'bad/site']);
    expect((await daemon.tenant('good')).hostPid).toBe(good.hostPid);
    expect((await daemon.tenant('good')).problems).toEqual([]);
  });
});
