import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seal } from '../../src/daemon/secret-seal.ts';
import { type BackupEnd, backupFrames, type RestoreOpened } from '../../src/protocol/backup-calls.ts';
import { encodeJson, encodeRecord, records } from '../../src/protocol/backup-records.ts';
import { createChannel } from '../../src/protocol/channel.ts';
import { createFrameReader, writeBytes, writeFrame } from '../../src/protocol/terminal.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { leftovers } from './backup-support.ts';
import { uidsOf } from './life-support.ts';

const id = '0123456789abcdef0123456789abcdef';
const key = randomBytes(32);
const nothing = { bytes: 0, entries: 0, files: 0 };

/** As a backup of a tenant with one app has it. */
const state = (tenant: string, more: object = {}): object => ({
  ...{ format: 1, id, tenant, tenantYaml: `domains: [${tenant}.test]\n`, files: [], owners: ['', 'site'] },
  apps: [{ app: 'site', current: 'local', releases: [], stopped: false }],
  ...{ schedules: [], secrets: [], isLive: false, leftOut: [], ...more },
});

const secret = (name: string, value: string): object => ({
  ...{ app: '', name, sealed: seal(key, Buffer.from(value), ['backup', id, 'secret', '', name]).toString('base64') },
});

const whole = (...pieces: Buffer[]): Buffer => zstdCompressSync(Buffer.concat([...pieces, encodeJson(records.end, nothing)]));

interface Sent {
  state: object | Buffer;
  apps?: Buffer;
  data?: Buffer;
}

describe('what somebody else made, sent to the daemon as a backup,', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startTestDaemon({ tenants: {}, uidCount: 4_000 });
  }, 60_000);
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  /** What the daemon says of it in the end. */
  async function send({ state: told, apps = whole(), data = whole() }: Sent, params: object = {}): Promise<BackupEnd | undefined> {
    const channel = createChannel({ stream: connect(`${daemon.directory}/run/control/operator.sock`), handlers: {} });
    const { stream, result } = await channel.upgrade('tenant-restore', { secretsKey: key.toString('base64'), ...params });
    const { promise, resolve } = Promise.withResolvers<BackupEnd | undefined>();
    const read = createFrameReader((type, payload) => {
      if (type === backupFrames.end) resolve(JSON.parse(payload.toString()) as BackupEnd);
    });
    stream
      .on('data', read)
      .on('error', () => {})
      .once('close', () => resolve(undefined))
      .resume();
    const parts: [string, Buffer][] = [
      ['state', Buffer.isBuffer(told) ? told : Buffer.from(JSON.stringify(told))],
      ['apps', apps],
      ['data', data],
    ];
    try {
      for (const [part, bytes] of parts) {
        await writeFrame(stream, backupFrames.part, Buffer.from(JSON.stringify({ part })));
        await writeBytes(stream, backupFrames.data, bytes);
        await writeFrame(stream, backupFrames.partEnd, Buffer.alloc(0));
      }
      await writeFrame(stream, backupFrames.commit, Buffer.from((result as RestoreOpened).ticket));
    } catch {
      // It takes no more: what it said is read.
    }
    const end = await promise;
    stream.destroy();
    return end;
  }

  const refused = (code: string): object => ({ error: { code } });

  test.each([
    ['whose name leads elsewhere', secret('../../../data/x', 'v')],
    ['that loads code', secret('LD_PRELOAD', '/data/evil.so')],
    ['that writes to terminals', secret('A\u001b[2J', 'v')],
    ['that holds another one', secret('A', 'v\0NODE_OPTIONS=--require=/data/evil.js')],
    ['that is too large', secret('A', 'v'.repeat(70_000))],
    ['that is empty', secret('A', '')],
    ['that was sealed for another name', { ...secret('A', 'v'), name: 'B' }],
  ])(
    'has no secret %s',
    async (_what, bad) => {
      expect(await send({ state: state('bad', { secrets: [bad] }) })).toMatchObject(refused('TENANTD_E_BACKUP'));
      expect(leftovers(daemon, 'bad')).toEqual([]);
    },
    30_000,
  );

  test.each<[string, Buffer]>([
    ['brackets alone', Buffer.alloc(20 << 20, '[')],
    ['a million of nothing', Buffer.from(`[${'{},'.repeat(1_100_000)}{}]`)],
    ['more than there can be of a tenant', Buffer.alloc(40 << 20, ' ')],
    ['no JSON', Buffer.from('{')],
    ['no bytes', Buffer.alloc(0)],
  ])(
    'is not read where it is %s',
    async (_what, bytes) => {
      const before = peakKilobytes(daemon.pid());
      expect(await send({ state: bytes })).toMatchObject(refused('TENANTD_E_BACKUP'));
      expect(peakKilobytes(daemon.pid()) - before).toBeLessThan(300_000);
    },
    60_000,
  );

  test.each<[string, Sent]>([
    ['a path out of its folder', { state: state('bad', { files: [{ path: '../x', content: '', executable: false }] }) }],
    ['a file in an app', { state: state('bad', { files: [{ path: 'apps/site/x', content: '', executable: false }] }) }],
    ['another tenant.yaml', { state: state('bad', { files: [{ path: 'tenant.yaml', content: '', executable: false }] }) }],
    [
      'a file that is a folder, too',
      { state: state('bad', { files: ['a', 'a/b'].map((path) => ({ path, content: '', executable: false })) }) },
    ],
    [
      'a folder of releases in its code',
      { state: state('bad'), apps: whole(encodeJson(records.area, { area: 'apps/site' }), folder('releases')) },
    ],
    ['a part that there is none of', { state: state('bad'), apps: whole(encodeJson(records.area, { area: 'data/other' })) }],
    ['files that are no archive', { state: state('bad'), data: randomBytes(3 << 20) }],
    ['files without end', { state: state('bad'), data: zstdCompressSync(encodeJson(records.area, { area: 'user' })) }],
    ['pages where its apps are', { state: state('bad', { tenantYaml: 'domains: [bad.test]\nbranding: { errorPages: apps/site/x }\n' }) }],
  ])(
    'with %s makes nothing',
    async (_what, sent) => {
      const end = await send(sent);
      expect(end).toMatchObject({ error: { code: expect.stringMatching(/^TENANTD_E_/) as unknown } });
      await until(() => leftovers(daemon, 'bad').length === 0, 'nothing is left of it', 20_000);
    },
    60_000,
  );

  test('with times of no clock makes a tenant all the same, with schedules', async () => {
    const far = Number.MAX_SAFE_INTEGER;
    const schedules = [{ app: 'site', name: 'tick', timing: '0 7 * * * UTC', handledMs: far }];
    expect(await send({ state: state('late', { schedules }) })).toMatchObject({ result: { tenant: 'late' } });
    expect((await daemon.ctl('schedule', 'list', 'late')).code).toBe(0);
    expect((await daemon.ctl('tenant', 'remove', 'late', '--now', '--yes')).code).toBe(0);
  }, 60_000);

  test('twice at once under one name makes one tenant, and other names with its domain none', async () => {
    const ends = await Promise.all([
      send({ state: state('one') }),
      send({ state: state('one') }),
      send({ state: state('one') }, { as: 'two' }),
    ]);
    expect(ends.filter((end) => end && 'result' in end)).toHaveLength(1);
    await until(() => leftovers(daemon, 'two').length === 0 || leftovers(daemon, 'one').length === 0, 'one is gone', 20_000);
    const { tenants } = await daemon.status();
    expect(tenants.map(({ name }) => name)).toHaveLength(1);
    for (const { name } of tenants) expect((await daemon.ctl('tenant', 'remove', name, '--now', '--yes')).code).toBe(0);
  }, 60_000);

  test('leaves no way to files of root: not by links among its code, nor later by a backup of it', async () => {
    const area = encodeJson(records.area, { area: 'apps/site' });
    const entry = { mode: 0o777, owner: 1, modifiedUs: 0 };
    const link = encodeJson(records.symbolicLink, { ...entry, name: 'out', target: daemon.directory });
    const apps = zstdCompressSync(Buffer.concat([area, link, encodeJson(records.end, { ...nothing, entries: 1 })]));
    expect(await send({ state: state('linked'), apps })).toMatchObject({ result: { tenant: 'linked' } });
    mkdirSync(`${daemon.directory}/pages`);
    writeFileSync(`${daemon.directory}/pages/404.html`, 'of root alone', { mode: 0o600 });
    // As its operator might by mistake.
    const yaml = `${daemon.tenantsDir}/linked/tenant.yaml`;
    writeFileSync(yaml, `${readFileSync(yaml, 'utf8')}branding: { errorPages: apps/site/out/pages }\n`);
    const file = `${daemon.directory}/linked.backup`;
    await daemon.ctl('reload');
    await daemon.ctl('tenant', 'backup', 'linked', file, '--no-passphrase');
    const found = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    expect(found.includes(Buffer.from('of root alone').toString('base64').slice(0, 12))).toBe(false);
    expect((await daemon.ctl('tenant', 'remove', 'linked', '--now', '--yes')).code).toBe(0);
    expect(existsSync(`${daemon.directory}/pages/404.html`)).toBe(true);
  }, 60_000);

  test('gives no uid to one that another had', async () => {
    const seen: number[] = [];
    for (let round = 0; round < 3; round++) {
      expect(await send({ state: state('again') })).toMatchObject({ result: { tenant: 'again' } });
      seen.push(...uidsOf(daemon, 'again'));
      expect((await daemon.ctl('tenant', 'remove', 'again', '--now', '--yes')).code).toBe(0);
    }
    expect(new Set(seen)).toHaveLength(6);
  }, 90_000);

  test('does not keep those waiting who come after it', async () => {
    for (let round = 0; round < 5; round++) {
      expect(await send({ state: state('bad'), data: randomBytes(8 << 20) })).toMatchObject(refused('TENANTD_E_BACKUP'));
    }
    expect(await send({ state: state('good') })).toMatchObject({ result: { tenant: 'good' } });
  }, 120_000);
});

function peakKilobytes(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function folder(name: string): Buffer {
  const entry = { name, mode: 0o755, owner: 1, modifiedUs: 0 };
  return Buffer.concat([encodeJson(records.folder, entry), encodeRecord(records.up, Buffer.alloc(0))]);
}
