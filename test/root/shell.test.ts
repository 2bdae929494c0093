import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { pidOf, probeTenant, processFacts } from './probe.ts';
import { exec, openCtl, sessionAudit, sessionFiles, spawnCtl, startCtl, untilPrinted } from './shell-support.ts';

const plans = 'plans: { starter: { memory: 256M, cpu: 2, processes: 100, requestsPerSecond: 0 } }';

describe('shell and exec', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startTestDaemon({ plans, tenants: { alpha: probeTenant('alpha', ['site', 'shop']), beta: probeTenant('beta') } });
    await daemon.untilApps(['alpha/site', 'alpha/shop', 'beta/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  const linesOf = async (at: string, script: string): Promise<string[]> => (await exec(daemon, at, script)).split('\n').slice(0, -1);

  test('of an app run as its worker does: uid, code, data, environment', async () => {
    const [uid] = processFacts(await pidOf(daemon, 'alpha/site')).uids;
    expect(
      await linesOf('alpha/site', 'id -u; id -g; id -G; pwd; ls /apps; ls /data; echo $PROBE $TENANTD_TENANT/$TENANTD_APP $HOME'),
    ).toEqual([...[`${uid}`, `${uid}`, `${uid}`, '/apps/site', 'site', 'home', 'shared', 'yes alpha/site /data/home']]);
    await exec(daemon, 'alpha/site', 'echo kept > /data/note; echo shared > /data/shared/note');
    expect(await linesOf('alpha/site', 'cat /data/note')).toEqual(['kept']);
    expect(await linesOf('alpha/shop', 'ls /data; cat /data/shared/note')).toEqual(['home', 'shared', 'shared']);
  });

  test("of a tenant run as its own user, which sees its apps' code and not their data", async () => {
    const { uid } = await daemon.tenant('alpha');
    const script =
      'id -u; pwd; ls /apps; ls /data; cat /apps/site/app.yaml | head -1; touch /apps/x /apps/site/x 2>&1 | grep -c "Read-only"';
    expect(await linesOf('alpha', script)).toEqual([`${uid}`, '/data/home', 'shop', 'site', 'home', 'shared', 'kind: node', '2']);
    expect(await linesOf('alpha', 'echo mine > /data/home/note; cat /data/home/note')).toEqual(['mine']);
    expect(await linesOf('alpha', 'cat /data/home/note')).toEqual(['mine']);
  });

  test('have no rights, no network but loopback, and nothing of another tenant or of the machine', async () => {
    const script = `grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs):' /proc/self/status | tr -d '\\t'; ls /sys/class/net 2>&1 | wc -l
      grep -c : /proc/net/dev; ls /proc | grep -c '^[0-9]'; ls / | tr '\\n' ' '; ls /home /root /var /srv 2>/dev/null | wc -l; ls /run`;
    const zero = '0000000000000000';
    const expected = [...['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'].map((name) => `Cap${name}:${zero}`), 'NoNewPrivs:1'];
    for (const at of ['alpha', 'alpha/site']) {
      const lines = await linesOf(at, script);
      expect(lines.slice(0, 6)).toEqual(expected);
      expect(lines[7]).toBe('1');
      // bubblewrap, the terminal program, the shell, and the pipe that counts.
      expect(Number(lines[8])).toBeLessThanOrEqual(6);
      expect(lines.join(' ')).not.toContain('beta');
      // A pattern that does not find itself; of pid 1, bubblewrap, the path of the program is known.
      const search = `grep -al -e tenantd-tes[t] -e bet[a] /proc/[2-9]*/cmdline /proc/[2-9]*/environ 2>/dev/null || echo nothing`;
      expect(await linesOf(at, search)).toEqual(['nothing']);
    }
  });

  test('have the secrets of their app only when they are asked for, as files', async () => {
    const set = startCtl(daemon, 'secret', 'set', '--no-wait', 'alpha/site', 'TOKEN');
    set.child.stdin.end('geheim');
    expect(await set.finished).toMatchObject({ code: 0 });
    expect(await linesOf('alpha/site', 'ls -a /run/secrets')).toEqual(['.', '..']);
    const script = 'cat /run/secrets/TOKEN; grep -acz geheim /proc/self/environ';
    expect(await daemon.ctl('exec', '--secrets', 'alpha/site', '--', 'sh', '-c', script)).toMatchObject({ stdout: 'geheim0\n' });
    expect(await daemon.ctl('exec', '--secrets', 'alpha', '--', 'true')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('name one'),
    });
    const [opened] = sessionAudit(daemon, 'alpha').slice(-2);
    expect(opened).toMatchObject({ after: { app: 'site', secrets: true } });
    await daemon.untilApps(['alpha/site', 'alpha/shop']);
  });

  test('give a terminal with colours, the size of the window, Ctrl-C and an exit code', async () => {
    using terminal = openCtl(daemon, 'shell', 'alpha/site');
    await terminal.untilSeen(/alpha\/site:\/apps\/site\$ $/);
    terminal.type('tput colors; stty size; tty\r');
    await terminal.untilSeen(/256\r\n30 90\r\n\/dev\/pts\/0\r\n/);
    await terminal.untilSeen(/\$ $/);
    terminal.resize(101, 41);
    terminal.type('until stty size | grep "41 101"; do :; done\r');
    await terminal.untilSeen(/[\r\n]41 101\r\n/);
    await terminal.untilSeen(/\$ $/);
    terminal.type(`sh -c 'echo beg""un; sleep 1000'\r`);
    await terminal.untilSeen(/[\r\n]begun\r\n/);
    terminal.type('\x03');
    await terminal.untilSeen(/\$ $/);
    terminal.type('ls --color=always /; exit 7\r');
    expect((await terminal.exited).exitCode).toBe(7);
    expect(terminal.screen()).toContain('\x1b[01;34m');
  });

  test('are within the limit of processes of their tenant, and of nobody else', async () => {
    const bomb = await daemon.ctl('exec', 'alpha/site', '--', 'sh', '-c', 'for i in $(seq 200); do sleep 100 & done; echo not this');
    expect(bomb.stderr).toMatch(/[Cc]annot fork/);
    expect(bomb.stdout).not.toContain('not this');
    expect(await linesOf('beta/site', 'echo fine')).toEqual(['fine']);
    // Nothing of it is left.
    expect(await linesOf('alpha/site', 'sleep 0 & wait; echo fine')).toEqual(['fine']);
  });

  test('are within the memory of their tenant, and go before its apps', async () => {
    const before = await daemon.app('alpha', 'site');
    const script = 'const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1));';
    const { code, stderr } = await daemon.ctl('exec', 'alpha/site', '--', 'node', '-e', script);
    expect(code).toBe(137);
    expect(stderr).toBe('tenantctl: something was ended at the memory limit of alpha\n');
    const after = await daemon.app('alpha', 'site');
    expect(after).toMatchObject({ state: 'running', restarts: before.restarts });
  });

  test('pass half a gigabyte through with little memory', async () => {
    const totalMegabytes = 512;
    const piece = Buffer.alloc(1 << 20, 'tenantd');
    const child = spawnCtl(daemon, 'exec', 'alpha', '--', 'cat');
    const hash = createHash('sha1');
    const received = pipeline(child.stdout, hash);
    const before = peakMegabytes(daemon.pid());
    await pipeline(Readable.from(repeat(piece, totalMegabytes)), child.stdin);
    await received;
    const expected = createHash('sha1');
    for (const part of repeat(piece, totalMegabytes)) expected.update(part);
    expect(hash.digest('hex')).toBe(expected.digest('hex'));
    expect(peakMegabytes(daemon.pid()) - before).toBeLessThan(150);
  });
});

describe('sessions', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startTestDaemon({ plans, tenants: { alpha: probeTenant('alpha'), beta: probeTenant('beta') } });
    await daemon.untilApps(['alpha/site', 'beta/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test('are in the audit trail: who, what, when it began, how it ended; and no argument is', async () => {
    const { code } = await daemon.ctl('exec', 'beta/site', '--', '/bin/sh', '-c', 'echo geheim-argument; exit 5');
    expect(code).toBe(5);
    const [opened, closed] = sessionAudit(daemon, 'beta').slice(-2);
    expect(opened).toEqual({
      ...{ tenant: 'beta', actor: 'operator', action: 'exec-open', before: null, outcome: 'done' },
      after: { session: expect.stringMatching(/^[0-9a-f]{10}$/), app: 'site', program: 'sh', tty: false },
    });
    expect(closed).toEqual({
      ...{ tenant: 'beta', actor: 'operator', action: 'exec-close', before: { session: opened?.after['session'] }, outcome: 'done' },
      after: { exitCode: 5, outOfMemory: false, durationMs: expect.any(Number), bytesIn: expect.any(Number), bytesOut: expect.any(Number) },
    });
    expect(closed?.after['bytesOut']).toBeGreaterThan('geheim-argument\n'.length);
    expect(JSON.stringify(sessionAudit(daemon, 'beta'))).not.toContain('geheim');
  });

  test('end with their client, and all that they started with them', async () => {
    const ctl = startCtl(daemon, 'exec', 'alpha/site', '--', 'sh', '-c', 'trap "" HUP TERM; (setsid sleep 1000 &) ; echo up; sleep 1000');
    await untilPrinted(ctl, 'up');
    const record = sessionFiles(daemon).find((name) => name.endsWith('.json'));
    const { reaper } = JSON.parse(readFileSync(`${daemon.directory}/run/sandboxes/${record}`, 'utf8')) as { reaper: { pid: number } };
    const namespace = readlinkSync(`/proc/${reaper.pid}/ns/pid`);
    expect(processesIn(namespace).length).toBeGreaterThan(3);
    ctl.child.kill('SIGKILL');
    await until(() => processesIn(namespace).length === 0, 'nothing of it is left', 15_000);
    await until(() => sessionFiles(daemon).length === 0, 'no file of it is left');
    expect(sessionAudit(daemon, 'alpha').at(-1)).toMatchObject({ action: 'exec-close', outcome: 'done' });
  });

  test('are eight for a tenant at a time', async () => {
    const all = Array.from({ length: 8 }, () => startCtl(daemon, 'exec', 'alpha', '--', 'sh', '-c', 'echo up; cat'));
    await Promise.all(all.map((ctl) => untilPrinted(ctl, 'up')));
    expect(await daemon.ctl('exec', 'alpha', '--', 'true')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('alpha has 8 sessions open, all tenants 8; the limits are 8 and 64 (TENANTD_E_TOO_MANY)'),
    });
    expect(await exec(daemon, 'beta', 'echo fine')).toBe('fine\n');
    for (const { child } of all) child.stdin.end();
    expect((await Promise.all(all.map(({ finished }) => finished))).map(({ code }) => code)).toEqual(Array.from({ length: 8 }, () => 0));
  });

  test('are not recorded unless the operator says so; then as files of root', async () => {
    expect(readdirSync(`${daemon.directory}/logs`)).not.toContain('_sessions');
    const configuration = readFileSync(daemon.configFile, 'utf8');
    writeFileSync(daemon.configFile, `${configuration}\nshells: { record: true, keep: 2 }\n`);
    expect((await daemon.ctl('reload')).code).toBe(0);
    const { child, finished } = startCtl(daemon, 'exec', 'alpha', '--', 'sh', '-c', 'read line; echo "told $line" | tr a-z A-Z');
    child.stdin.end('typed-word\n');
    expect(await finished).toMatchObject({ code: 0, stdout: 'TOLD TYPED-WORD\n' });
    const folder = `${daemon.directory}/logs/_sessions/alpha`;
    const [file = ''] = readdirSync(folder);
    const [recorded, status] = [readFileSync(`${folder}/${file}`, 'utf8'), statSync(`${folder}/${file}`)];
    const [header, ...events] = recorded
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as unknown);
    expect(header).toMatchObject({ version: 2, title: 'alpha' });
    expect(events).toEqual([[expect.any(Number), 'o', 'TOLD TYPED-WORD\n']]);
    expect(recorded).not.toContain('typed-word');
    expect([status.uid, status.mode & 0o777, statSync(`${folder}/..`).mode & 0o777]).toEqual([0, 0o600, 0o700]);
    const [opened, closed] = sessionAudit(daemon, 'alpha').slice(-2);
    expect(opened?.after).toMatchObject({ recording: file });
    expect(closed?.after).toMatchObject({ recording: { file, bytes: status.size } });
    await exec(daemon, 'alpha', 'true');
    await exec(daemon, 'alpha', 'true');
    expect(readdirSync(folder)).toHaveLength(2);
    expect(readdirSync(folder)).not.toContain(file);
    writeFileSync(daemon.configFile, configuration);
    expect((await daemon.ctl('reload')).code).toBe(0);
    await exec(daemon, 'alpha', 'true');
    expect(readdirSync(folder)).toHaveLength(2);
  });

  test('end when nothing happens in them for as long as the operator says', async () => {
    const configuration = readFileSync(daemon.configFile, 'utf8');
    writeFileSync(daemon.configFile, `${configuration}\nshells: { idle: 1s }\n`);
    await daemon.ctl('reload');
    expect(await daemon.ctl('exec', 'alpha', '--', 'sleep', '1000')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nothing was typed or printed for 1 s (TENANTD_E_SESSION_ENDED)'),
    });
    expect(await exec(daemon, 'alpha', 'for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.3; done')).toHaveLength(16);
    writeFileSync(daemon.configFile, configuration);
    await daemon.ctl('reload');
  });

  test('end with their tenant, which is told', async () => {
    const ctl = startCtl(daemon, 'exec', 'beta', '--', 'sh', '-c', 'trap "echo bye; exit 0" HUP; echo up; while :; do sleep 0.05; done');
    await untilPrinted(ctl, 'up');
    daemon.removeTenant('beta');
    expect(await ctl.finished).toMatchObject({
      code: 1,
      stdout: 'up\nbye\n',
      stderr: expect.stringContaining('the session was ended: beta is stopped (TENANTD_E_SESSION_ENDED)'),
    });
    expect(await daemon.ctl('exec', 'beta', '--', 'true')).toMatchObject({ code: 1 });
  });

  test('end with the daemon when that is killed, and the next one finds nothing of them', async () => {
    const ctl = startCtl(daemon, 'exec', 'alpha', '--', 'sh', '-c', 'trap "" HUP; (setsid sleep 1000 &); echo up; sleep 1000');
    await untilPrinted(ctl, 'up');
    const workerPid = await pidOf(daemon, 'alpha/site');
    await daemon.kill();
    expect(await ctl.finished).toMatchObject({ code: 3, stderr: expect.stringContaining('TENANTD_E_UNREACHABLE') });
    await daemon.start();
    await until(() => sessionFiles(daemon).length === 0, 'nothing of the session is left', 15_000);
    await until(() => sessionAudit(daemon, 'alpha').at(-1)?.action === 'exec-close', 'its end is on record');
    expect(sessionAudit(daemon, 'alpha').at(-1)).toMatchObject({ action: 'exec-close', outcome: 'the daemon was restarted' });
    await daemon.untilApps(['alpha/site']);
    expect(await pidOf(daemon, 'alpha/site')).toBe(workerPid);
    expect(await exec(daemon, 'alpha/site', 'echo fine')).toBe('fine\n');
  });

  test('end politely when the daemon stops', async () => {
    using terminal = openCtl(daemon, 'shell', 'alpha');
    await terminal.untilSeen(/alpha:~\$ $/);
    expect(await daemon.stop()).toBe(0);
    await terminal.untilSeen(/the session was ended: the daemon stops \(TENANTD_E_SESSION_ENDED\)/);
    expect((await terminal.exited).exitCode).toBe(1);
  });
});

function* repeat(piece: Buffer, times: number): Generator<Buffer> {
  for (let count = 0; count < times; count++) yield piece;
}

function peakMegabytes(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
}

function processesIn(namespace: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/ns/pid`) === namespace;
    } catch {
      return false; // gone
    }
  });
}
