import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createJournal, type Journal } from '../../src/daemon/journal.ts';
import type { FollowQuery, LogEvent } from '../../src/daemon/log-reader.ts';
import type { LogLine } from '../../src/protocol/host.ts';
import { request } from '../support/client.ts';
import { startFakeJournal } from '../support/journal.ts';
import { startTestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const time = '2026-11-21T12:00:00.000Z';
const line = (text: string, position = 1, app = 'site'): LogLine => ({ time, position, app, worker: `${app}.a1b2c3`, line: text });
const event = (...lines: LogLine[]): LogEvent => ({ lines, dropped: 0, positions: {} });
const silent = () => {};

function openSocket(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tenantd-journal-'));
  chmodSync(folder, 0o755);
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'socket');
}

function open(socket: string, clock = { nowMs: 1_000_000 }) {
  const errors: unknown[] = [];
  const log = { debug: silent, info: silent, warn: silent, error: (fields: object) => void errors.push(fields) };
  const journal: Journal = createJournal({ perl: '/usr/bin/perl', log, nowMs: () => clock.nowMs, socket });
  onTestFinished(() => journal.close());
  /** What its host tells of a tenant. */
  function tell(tenant: string): (event: LogEvent) => void {
    let onLines: FollowQuery['onLines'] = silent;
    journal.follow(tenant, {
      follow(query) {
        onLines = query.onLines;
        return Promise.resolve(silent);
      },
    });
    return (told) => onLines(told);
  }
  return { errors, tell, journal };
}

test('what apps print goes to the journal, with whose it is, and nobody can say it is another', async () => {
  const socket = openSocket();
  await using fake = await startFakeJournal(socket);
  const { tell } = open(socket);
  const [acme, globex] = [tell('acme'), tell('globex')];
  const forged = 'x\nTENANTD_TENANT=globex\nPRIORITY=0\nTENANTD_TENANT\n\u0006\0\0\0\0\0\0\0globex';
  acme(event(line('hello'), line(forged, 2)));
  globex(event(line('', 7, 'api')));
  await until(() => fake.entries().length === 3, 'all are there');
  const common = { PRIORITY: '6', TENANTD_TIME: time };
  const site = { ...common, SYSLOG_IDENTIFIER: 'acme/site', TENANTD_TENANT: 'acme', TENANTD_APP: 'site', TENANTD_WORKER: 'site.a1b2c3' };
  expect(fake.entries()).toEqual([
    { ...site, MESSAGE: 'hello', TENANTD_POSITION: '1' },
    { ...site, MESSAGE: forged, TENANTD_POSITION: '2' },
    {
      ...{
        ...common,
        MESSAGE: '',
        SYSLOG_IDENTIFIER: 'globex/api',
        TENANTD_TENANT: 'globex',
        TENANTD_APP: 'api',
        TENANTD_WORKER: 'api.a1b2c3',
      },
      TENANTD_POSITION: '7',
    },
  ]);
});

test('a tenant that floods it is cut off for itself alone, and told how much', async () => {
  const socket = openSocket();
  await using fake = await startFakeJournal(socket);
  const clock = { nowMs: 1_000_000 };
  const { tell } = open(socket, clock);
  const [flooding, quiet] = [tell('flooding'), tell('quiet')];
  flooding(event(...Array.from({ length: 5_000 }, (_, at) => line(`flood ${at}`, at + 1))));
  quiet(event(line('still here')));
  await until(() => fake.entries().length === 1_001, 'all that may is there');
  expect(fake.entries().at(-1)).toMatchObject({ MESSAGE: 'still here', TENANTD_TENANT: 'quiet' });
  clock.nowMs += 10_000;
  flooding({ ...event(line('later')), dropped: 7 });
  await until(() => fake.entries().length === 1_003, 'the count is there');
  expect(fake.entries().slice(-2)).toMatchObject([
    { MESSAGE: 'later', TENANTD_TENANT: 'flooding' },
    { MESSAGE: '4007 lines were left out of the journal; tenantctl logs flooding has them', PRIORITY: '4', TENANTD_DROPPED: '4007' },
  ]);
});

test('what sends is not root, and is started again when it ended', async () => {
  const socket = openSocket();
  await using fake = await startFakeJournal(socket);
  const clock = { nowMs: 1_000_000 };
  const { tell, errors } = open(socket, clock);
  const acme = tell('acme');
  acme(event(line('one')));
  await until(() => fake.entries().length === 1, 'the first is there');
  const pid = senderOf(socket);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  expect(/^Uid:\s+(.*)$/m.exec(status)?.[1]?.split('\t')).toEqual(['65534', '65534', '65534', '65534']);
  expect(/^Gid:\s+(.*)$/m.exec(status)?.[1]?.split('\t')).toEqual(['65534', '65534', '65534', '65534']);
  expect(/^Groups:\s+(.*)$/m.exec(status)?.[1]?.trim()).toBe('65534');
  expect(/^CapEff:\s+(\w+)$/m.exec(status)?.[1]).toBe('0'.repeat(16));
  process.kill(pid, 'SIGKILL');
  await until(() => errors.length === 1, 'its end is noticed');
  acme(event(line('lost')));
  clock.nowMs += 10_000;
  acme(event(line('two')));
  await until(() => fake.entries().length >= 2, 'the next is there');
  expect(fake.entries().map(({ MESSAGE }) => MESSAGE)).toEqual(['one', 'two', expect.stringContaining('1 lines were left out') as string]);
});

test('a daemon that is told to sends what apps print, over its own restart too', { timeout: 90_000 }, async () => {
  const socket = openSocket();
  await using fake = await startFakeJournal(socket);
  const server = `let number = 0; require('node:http').createServer((_, response) => { console.log('printed ' + ++number); response.end(); }).listen(1);`;
  // In mounts of its own: this machine's journal is not to hear of it.
  const mounts = `mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && mount --bind ${dirname(socket)} /run/systemd/journal && exec "$@"`;
  await using daemon = await startTestDaemon({
    wrapper: ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', mounts, 'sh'],
    config: 'logs: { journal: true }',
    tenants: {
      acme: { 'tenant.yaml': 'domains: [acme.test]\n', 'apps/site/package.json': '{ "main": "a.js" }', 'apps/site/a.js': server },
    },
  });
  await daemon.untilApps(['acme/site']);
  const ask = () => request(daemon.port, { host: 'acme.test' });
  const printed = () => fake.entries().flatMap(({ MESSAGE, TENANTD_TENANT }) => (TENANTD_TENANT === 'acme' ? (MESSAGE ?? '') : []));
  await ask();
  await until(() => printed().includes('printed 1'), 'the first is there');
  expect(fake.entries().find(({ MESSAGE }) => MESSAGE === 'printed 1')).toMatchObject({
    SYSLOG_IDENTIFIER: 'acme/site',
    TENANTD_APP: 'site',
  });
  await daemon.kill();
  await daemon.start();
  await ask();
  await until(() => printed().includes('printed 2'), 'the second is there');
  expect(printed().filter((text) => text === 'printed 1')).toHaveLength(1);
});

function senderOf(socket: string): number {
  const pid = readdirSync('/proc').find((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const [program = '', ...args] = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      return program.endsWith('perl') && args.includes(socket) && args.includes('65534');
    } catch {
      return false; // It ended meanwhile.
    }
  });
  return Number(pid);
}
