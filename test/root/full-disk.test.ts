import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { expect, test } from 'vitest';
import { request } from '../support/client.ts';
import { prepareTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const app = `require('node:http').createServer((request, response) => response.end('I am ' + process.env.TENANTD_TENANT)).listen(3000);`;
const config = (...domains: string[]): string => `domains: [${domains.join(', ')}]\ntls: { redirect: false }\nidle: never\n`;
const files = { 'apps/site/package.json': '{ "main": "server.js" }', 'apps/site/server.js': app };

/** The disk of stateDir, of a size that is soon full. */
function mountStateDir({ directory }: TestDaemon): { fill(): void; empty(): void; unmount(): void } {
  const state = `${directory}/state`;
  const filler = `${state}/filler`;
  mkdirSync(state);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96m,mode=0755', 'tenantd-test', state]);
  return {
    fill() {
      const fd = openSync(filler, 'a');
      try {
        for (let bytes = 1 << 20; bytes >= 4_096; bytes /= 2) writeWhileThereIsRoom(fd, Buffer.alloc(bytes, 1));
      } finally {
        closeSync(fd);
      }
      expect(statfsSync(state).bavail).toBe(0);
    },
    empty: () => rmSync(filler),
    unmount: () => void execFileSync('umount', ['--lazy', state]),
  };
}

function writeWhileThereIsRoom(fd: number, block: Buffer): void {
  for (;;) {
    try {
      if (writeSync(fd, block) < block.length) return;
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' });
      return;
    }
  }
}

const textOf = async (daemon: TestDaemon, host: string): Promise<string> => (await request(daemon.port, { host })).text;
const workerOf = async (daemon: TestDaemon): Promise<number | undefined> => (await daemon.app('acme', 'site')).workers[0]?.pid;

test('on a full disk what runs goes on, what would have to last is refused, and all follows when there is room', async () => {
  await using daemon = await prepareTestDaemon({ tenants: { acme: { 'tenant.yaml': config('acme.test'), ...files } } });
  const disk = mountStateDir(daemon);
  try {
    await daemon.start();
    await daemon.untilApps(['acme/site']);
    const worker = await workerOf(daemon);
    const pid = daemon.pid();
    disk.fill();

    for (const args of [
      ['app', 'restart', 'acme/site'],
      ['app', 'stop', 'acme/site'],
      ['domain', 'add', 'acme', 'other.test'],
    ]) {
      const refused = await daemon.ctl(...args, '--json');
      expect({ args, code: refused.code, text: refused.stdout + refused.stderr }).toEqual({
        ...{ args, code: 1 },
        text: expect.stringContaining('TENANTD_E_STATE'),
      });
      expect(refused.stdout + refused.stderr).toContain('make room');
    }
    daemon.writeTenant('acme', { 'tenant.yaml': config('acme.test', 'new.test') });
    daemon.writeTenant('globex', { 'tenant.yaml': config('globex.test'), ...files });
    await until(async () => (await daemon.status()).problems.some(({ code }) => code === 'TENANTD_E_STATE'), 'the problem is told');
    expect([await textOf(daemon, 'acme.test'), await workerOf(daemon), daemon.pid()]).toEqual(['I am acme', worker, pid]);
    expect((await request(daemon.port, { host: 'new.test' })).status).toBe(421);

    // Daemons that are killed then are followed by others that start, and take up what runs: with the room that was set aside, and
    // without any.
    for (let start = 1; start <= 2; start++) {
      await daemon.kill();
      await daemon.start();
      expect([await textOf(daemon, 'acme.test'), await workerOf(daemon)]).toEqual(['I am acme', worker]);
      disk.fill();
    }

    disk.empty();
    await until(async () => (await request(daemon.port, { host: 'new.test' })).text === 'I am acme', 'what was owed follows', 60_000);
    await daemon.untilApps(['acme/site', 'globex/site']);
    expect(await textOf(daemon, 'globex.test')).toBe('I am globex');
    expect((await daemon.ctl('app', 'restart', 'acme/site')).code).toBe(0);
    await until(
      async () => (await daemon.status()).problems.every(({ code }) => code !== 'TENANTD_E_STATE'),
      'the problem is over',
      60_000,
    );
    expect(await workerOf(daemon)).not.toBe(worker);
    expect(daemon.log()).not.toContain('"level":"fatal"');
  } finally {
    await daemon.stop();
    disk.unmount();
  }
});

test('on a full disk apps crash, hosts end, and nobody can be told that an app sleeps; the daemon goes on through all of it', async () => {
  const crashing = `require('node:http').createServer((request, response) => {
    if (request.url === '/crash') process.exit(1);
    response.end('I am ' + process.env.TENANTD_TENANT);
  }).listen(3000);`;
  await using daemon = await prepareTestDaemon({
    tenants: {
      acme: { 'tenant.yaml': config('acme.test'), ...files, 'apps/site/server.js': crashing },
      sleepy: { 'tenant.yaml': config('sleepy.test').replace('never', '1s'), ...files },
    },
  });
  const disk = mountStateDir(daemon);
  try {
    await daemon.start();
    await daemon.untilApps(['acme/site']);
    const pid = daemon.pid();
    disk.fill();
    for (let round = 0; round < 3; round++) {
      const worker = await workerOf(daemon);
      await request(daemon.port, { host: 'acme.test', path: '/crash' }).catch(() => {}); // it ends before it answers
      await until(async () => (await workerOf(daemon)) !== worker, 'another worker took its place', 60_000);
      await until(async () => (await textOf(daemon, 'acme.test')) === 'I am acme', 'acme answers again', 60_000);
      expect(await textOf(daemon, 'sleepy.test')).toBe('I am sleepy');
    }
    const { hostPid } = await daemon.tenant('acme');
    process.kill(hostPid, 'SIGKILL');
    await until(async () => ![0, hostPid].includes((await daemon.tenant('acme')).hostPid), 'another host took its place', 60_000);
    expect([await textOf(daemon, 'acme.test'), daemon.pid()]).toEqual(['I am acme', pid]);

    disk.empty();
    await daemon.untilApps(['sleepy/site'], 'sleeping');
    expect(await textOf(daemon, 'sleepy.test')).toBe('I am sleepy');
    expect(await daemon.stop()).toBe(0);
  } finally {
    await daemon.stop();
    disk.unmount();
  }
});
