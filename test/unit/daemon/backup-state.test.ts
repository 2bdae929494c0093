import { describe, expect, test } from 'vitest';
import { openSealed, parseState } from '../../../src/daemon/backup-state.ts';
import { seal } from '../../../src/daemon/secret-seal.ts';

const id = 'a'.repeat(32);
const good = {
  ...{ format: 1, id, tenant: 'acme', tenantYaml: 'domains: [acme.example]\n', files: [], owners: ['', 'site'] },
  apps: [{ app: 'site', current: 'local', releases: [], stopped: false }],
  ...{ schedules: [], secrets: [], isLive: false, leftOut: [] },
};
const release = {
  id: '20261121-133405-x7k2',
  createdAt: '2026-11-21T13:34:05.000Z',
  createdBy: 'operator',
  bytes: 1,
  files: 1,
  manifest: null,
};
const parse = (state: unknown) => parseState(Buffer.from(JSON.stringify(state)));
const file = (path: string) => ({ ...good, files: [{ path, content: '', executable: false }] });
const [app] = good.apps;

describe('what a backup says of its tenant', () => {
  test('is taken when all of it fits together', () => {
    expect(parse(good)).toEqual(good);
    expect(parse({ ...good, apps: [{ ...app, current: release.id, releases: [release] }] }).apps[0]?.current).toBe(release.id);
  });

  test('may have a manifest that this tenantd would not take: then it is read again', () => {
    const odd = { ...release, manifest: { kind: 'perl' } };
    expect(parse({ ...good, apps: [{ ...app, releases: [odd] }] }).apps[0]?.releases[0]?.manifest).toBeNull();
  });

  test.each<[string, unknown]>([
    ['nothing', null],
    ['a list', []],
    ['another format', { ...good, format: 2 }],
    ['a key that nobody knows', { ...good, more: 1 }],
    ['a tenant of no name', { ...good, tenant: '../etc' }],
    ['an app of no name', { ...good, apps: [{ ...app, app: '..' }], owners: ['', '..'] }],
    ['an app that owns nothing', { ...good, owners: [''] }],
    ['an app that is there twice', { ...good, apps: [app, app] }],
    ['owners that are there twice', { ...good, owners: ['', 'site', 'site'] }],
    ['no user of its own', { ...good, owners: ['site', ''] }],
    ['a second user of its own', { ...good, owners: ['', 'site', ''] }],
    ['too many owners', { ...good, owners: ['', 'site', ...Array.from({ length: 300 }, (_, index) => `app${index}`)] }],
    ['a release that serves and is not there', { ...good, apps: [{ ...app, current: release.id }] }],
    ['a release of no name', { ...good, apps: [{ ...app, releases: [{ ...release, id: '../../x' }] }] }],
    ['a file that goes up', file('../x')],
    ['a file that goes up later', file('pages/../../x')],
    ['an absolute file', file('/etc/passwd')],
    ['a hidden file', file('.ssh')],
    ['a file with a zero byte', file('a\0b')],
    ['a number of workers that is none', { ...good, apps: [{ ...app, workers: 0 }] }],
  ])('is refused with %s', (_what, state) => {
    expect(() => parse(state)).toThrow(expect.objectContaining({ code: 'TENANTD_E_BACKUP' }));
  });

  test('has secrets that open with their own key, in their own place, in their own backup', () => {
    const key = Buffer.alloc(32, 1);
    const sealed = seal(key, Buffer.from('xyzzy'), ['backup', id, 'secret', 'site', 'WORD']).toString('base64');
    const state = parse(good);
    expect(openSealed(state, key, sealed, 'secret', 'site', 'WORD').toString()).toBe('xyzzy');
    const others: Parameters<typeof openSealed>[] = [
      [state, Buffer.alloc(32, 2), sealed, 'secret', 'site', 'WORD'],
      [state, undefined, sealed, 'secret', 'site', 'WORD'],
      [state, key, sealed, 'secret', '', 'WORD'],
      [{ ...state, id: 'b'.repeat(32) }, key, sealed, 'secret', 'site', 'WORD'],
    ];
    for (const other of others) expect(() => openSealed(...other)).toThrow(/can not be opened/);
  });
});
