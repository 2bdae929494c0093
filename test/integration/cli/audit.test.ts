import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type AuditRecord, sealEntry } from '../../../src/protocol/audit-chain.ts';
import { startControlPeer, temporaryFolder } from './control-peer.ts';
import { runTenantctl } from './run-tenantctl.ts';

function trailOf(length: number): AuditRecord[] {
  const records: AuditRecord[] = [];
  for (let number = 1; number <= length; number += 1) {
    const entry = { tenant: 'acme', actor: 'operator', action: 'app-stop', before: '{}', after: '{}', outcome: 'done' };
    records.push(sealEntry({ ...entry, time: new Date(number * 1_000).toISOString() }, number, records.at(-1)?.hash ?? ''));
  }
  return records;
}

interface Asked {
  order: 'oldest' | 'newest';
  from?: number;
  limit: number;
}

/** Answers with pages of ten, at most. */
function startTrail(records: AuditRecord[], kept = records.at(-1)) {
  return startControlPeer({
    'audit-head': () => ({ head: records.at(-1), ...(kept && { kept: { sequence: kept.sequence, hash: kept.hash } }) }),
    'audit-list': (params) => {
      const { order, from, limit } = params as Asked;
      const inOrder = order === 'oldest' ? records : records.toReversed();
      const start = from === undefined ? 0 : inOrder.findIndex(({ sequence }) => sequence === from) + 1;
      const page = inOrder.slice(start, start + Math.min(10, limit));
      return { records: page, ...(start + page.length < records.length && { next: page.at(-1)?.sequence }) };
    },
  });
}

describe('audit', () => {
  test('shows the newest records, the oldest of them first, of what is asked for', async () => {
    const { configFile, calls } = await startTrail(trailOf(30));
    const args = [
      'audit',
      '-n',
      '15',
      '--tenant',
      'acme',
      '--actor',
      'operator',
      '--action',
      'app-stop',
      '--since',
      '2026-11-21T10:00Z',
      '--json',
    ];
    const { exitCode, stdout, stderr } = await runTenantctl([...args, '--config', configFile]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const { records } = JSON.parse(stdout) as { records: AuditRecord[] };
    expect(records.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 15 }, (_, at) => at + 16));
    const asked = { tenant: 'acme', actor: 'operator', action: 'app-stop', since: '2026-11-21T10:00:00.000Z', order: 'newest', limit: 15 };
    expect(calls.map(({ params }) => params)).toEqual([asked, { ...asked, from: 21 }]);
  });

  test('exports all of it as JSON lines, whole or not at all', async () => {
    const file = join(temporaryFolder(), 'trail.jsonl');
    const trail = trailOf(35);
    const { configFile } = await startTrail(trail);
    const { exitCode, stdout } = await runTenantctl(['audit', '--export', file, '--config', configFile]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: `${file}: 35 records\n` });
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as AuditRecord)).toEqual(trail);
    expect((await runTenantctl(['audit', '--export', '-', '--config', configFile])).stdout).toBe(readFileSync(file, 'utf8'));
    const broken = await startControlPeer({ 'audit-list': (_, channel) => channel.close() });
    const other = `${file}.other`;
    expect((await runTenantctl(['audit', '--export', other, '--config', broken.configFile])).exitCode).toBe(3);
    expect([existsSync(other), readdirSync(join(file, '..'))]).toEqual([false, ['trail.jsonl']]);
  });
});

describe('audit --verify', () => {
  const verify = async (records: AuditRecord[], kept?: AuditRecord) => {
    const { configFile } = await startTrail(records, kept ?? records.at(-1));
    return runTenantctl(['audit', '--verify', '--config', configFile]);
  };

  test('is content with a trail that is as it was written, and prints its head', async () => {
    const trail = trailOf(25);
    expect(await verify(trail)).toEqual({
      exitCode: 0,
      stdout: `25 records as they were written\nhead 25 ${trail[24]?.hash}\n`,
      stderr: '',
    });
    expect((await verify([])).stdout).toBe('0 records as they were written\n');
  });

  test('says which record is the first that is wrong, and why', async () => {
    const trail = trailOf(25);
    const edited = await verify(trail.with(12, { ...trail[12], outcome: 'denied' } as AuditRecord));
    expect(edited).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(/^record 13: it was edited.*\n12 records before it/s) as string,
    });
    const cut = await verify(trail.toSpliced(12, 3));
    expect(cut).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('record 16: records 13 to 15 before it are missing') as string,
    });
  });

  test('compares the end with the one that was kept', async () => {
    const trail = trailOf(25);
    const short = await verify(trail.slice(0, 20), trail[24]);
    expect(short.exitCode).toBe(1);
    expect(short.stdout.replaceAll('\n', ' ')).toContain('the last 5 records were cut off');
    // Written since it was kept.
    expect((await verify(trail, trail[20])).exitCode).toBe(0);
  });

  test('needs no daemon for a file, and takes one that begins later', async () => {
    const file = join(temporaryFolder(), 'trail.jsonl');
    const text = (records: AuditRecord[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('');
    writeFileSync(file, text(trailOf(25).slice(5)));
    const args = ['audit', '--verify', file, '--config', '/nowhere/tenantd.yaml'];
    expect((await runTenantctl(args)).stdout).toMatch(/^20 records from 6 on as they were written\nhead 25 /);
    writeFileSync(file, text(trailOf(25).toSpliced(9, 1)));
    expect(await runTenantctl(args)).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('record 11: record 10 before it is missing') as string,
    });
    writeFileSync(file, 'something else');
    expect(await runTenantctl(args)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('TENANTD_E_AUDIT') as string });
    expect((await runTenantctl(['audit', '--verify', `${file}.gone`])).stderr).toContain('TENANTD_E_FILE_UNREADABLE');
  });
});
