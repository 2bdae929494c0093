import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import type { Who } from '../../../src/daemon/policy.ts';
import { openStore, type Store } from '../../../src/daemon/store.ts';
import { createTokens, type TokenOrder, type Tokens } from '../../../src/daemon/tokens.ts';
import type { TokenRole } from '../../../src/protocol/token-calls.ts';
import { temporaryFolder } from './temporary-folder.ts';

const acme = 'acme' as TenantName;
const globex = 'globex' as TenantName;
const dayMs = 86_400_000;
const root = { actor: 'operator', who: { role: 'operator' } as Who };

let folder: string;
let store: Store;
let tokens: Tokens;
let clockMs: number;

beforeEach(() => {
  folder = temporaryFolder({ inMemory: true });
  store = openStore(join(folder, 'state.db'), { first: 200_000, count: 5, isTaken: () => false });
  onTestFinished(() => store.close());
  clockMs = Date.UTC(2026, 0, 1);
  tokens = createTokens({ rows: store.tokens, nowMs: () => clockMs });
});

function make(role: TokenRole = 'deployer', more: Partial<TokenOrder> = {}) {
  return tokens.create({ tenant: role === 'operator' ? '' : acme, role, name: '', lifetimeMs: undefined, by: root, ...more });
}

const holderOf = ({ row }: ReturnType<typeof make>) => {
  const who = row.role === 'operator' ? { role: row.role, token: row.id } : { role: row.role, tenant: acme, token: row.id };
  return { actor: `token ${row.id}`, who };
};
const codeOf = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('a token', () => {
  test('is known by its text alone, which tells its id', () => {
    const { row, text } = make();
    expect(text).toMatch(new RegExp(`^tenantd_${row.id}_[\\w-]{43}$`));
    expect(tokens.authenticate(text)).toMatchObject({ id: row.id, tenant: 'acme', role: 'deployer' });
    const other = make();
    const mixed = `tenantd_${row.id}_${other.text.slice(-43)}`;
    for (const wrong of ['', 'tenantd', `${text}x`, ` ${text}`, text.slice(0, -1), mixed, text.replace(row.id, 'aaaaaa')])
      expect(codeOf(() => tokens.authenticate(wrong))).toBe('TENANTD_E_BAD_TOKEN');
  });

  test('is kept as a hash: what it is can not be found on the disk', () => {
    const { text } = make();
    const disk = Buffer.concat(['state.db', 'state.db-wal'].map((name) => readFileSync(join(folder, name))));
    const isThere = (what: string | Buffer): boolean => disk.indexOf(what) !== -1;
    expect(isThere(text.slice(8, 14))).toBe(true);
    expect(isThere(text.slice(15))).toBe(false);
    expect(isThere(Buffer.from(text.slice(15), 'base64url'))).toBe(false);
  });

  test('holds for 90 days, or as long as was asked for, to the moment', () => {
    const [usual, short] = [make(), make('viewer', { lifetimeMs: 1_000 })];
    clockMs += 999;
    expect(tokens.authenticate(short.text).id).toBe(short.row.id);
    clockMs += 1;
    expect(() => tokens.authenticate(short.text)).toThrow('has expired');
    expect(tokens.holds(short.row.id)).toBe(false);
    clockMs += 90 * dayMs - 1_001;
    expect(tokens.holds(usual.row.id)).toBe(true);
    clockMs += 1;
    expect(tokens.holds(usual.row.id)).toBe(false);
  });

  test('holds for ever only when the operator says so', () => {
    expect(make('viewer', { lifetimeMs: 'never' }).row.expiresAtMs).toBeUndefined();
    const [ever, admin] = [make('operator', { lifetimeMs: 'never' }), make('admin')];
    expect(make('viewer', { lifetimeMs: 'never', by: holderOf(ever) }).row.expiresAtMs).toBeUndefined();
    expect(codeOf(() => make('viewer', { lifetimeMs: 'never', by: holderOf(admin) }))).toBe('TENANTD_E_DENIED');
    expect(codeOf(() => make('viewer', { lifetimeMs: 'never', by: holderOf(make('operator')) }))).toBe('TENANTD_E_DENIED');
  });

  test('that a token made ends with it at the latest, and is revoked with it', () => {
    const admin = make('admin', { lifetimeMs: 10 * dayMs });
    clockMs += dayMs;
    const child = make('deployer', { by: holderOf(admin) });
    expect(child.row.expiresAtMs).toBe(admin.row.expiresAtMs);
    expect(codeOf(() => make('viewer', { by: holderOf(admin), lifetimeMs: 9 * dayMs + 1 }))).toBe('TENANTD_E_DENIED');
    expect(make('viewer', { by: holderOf(admin), lifetimeMs: 9 * dayMs }).row.expiresAtMs).toBe(admin.row.expiresAtMs);
    const stranger = make();
    expect(tokens.revoke('acme', admin.row.id).length).toBe(3);
    expect(() => tokens.authenticate(child.text)).toThrow('was revoked');
    expect(tokens.holds(stranger.row.id)).toBe(true);
    expect(tokens.revoke('acme', admin.row.id)).toEqual([]);
  });

  test('of another tenant can not be revoked, and is as one that is not there', () => {
    const { row } = make('viewer', { tenant: globex });
    expect(codeOf(() => tokens.revoke('acme', row.id))).toBe('TENANTD_E_NO_SUCH_TOKEN');
    expect(codeOf(() => tokens.revoke('acme', 'aaaaaa'))).toBe('TENANTD_E_NO_SUCH_TOKEN');
    expect(tokens.list('acme')).toEqual([]);
    expect(tokens.revoke(undefined, row.id).map(({ id }) => id)).toEqual([row.id]);
  });

  test('goes with its tenant', () => {
    const { row, text } = make();
    store.forgetTenant(acme);
    expect(tokens.holds(row.id)).toBe(false);
    expect(codeOf(() => tokens.authenticate(text))).toBe('TENANTD_E_BAD_TOKEN');
  });

  test('has its use written down every quarter of an hour', () => {
    const { row } = make();
    const usedAt = (): string | undefined => tokens.list('acme')[0]?.lastUsedAt;
    expect(usedAt()).toBeUndefined();
    tokens.noteUse(row.id);
    const first = usedAt();
    clockMs += 15 * 60_000 - 1;
    tokens.noteUse(row.id);
    expect(usedAt()).toBe(first);
    clockMs += 1;
    tokens.noteUse(row.id);
    expect(Date.parse(usedAt() ?? '')).toBe(clockMs);
  });
});

describe('a tenant', () => {
  test('has at most 50 tokens that hold, and lists those that ended for a while', () => {
    const made = Array.from({ length: 50 }, () => make());
    expect(codeOf(() => make())).toBe('TENANTD_E_TOO_MANY');
    expect(make('viewer', { tenant: globex }).row.tenant).toBe('globex');
    for (const { row } of made) tokens.revoke('acme', row.id);
    make();
    expect(tokens.list('acme').length).toBe(51);
    clockMs += 31 * dayMs;
    make();
    expect(tokens.list('acme').length).toBe(2);
  });

  test('keeps no more than 50 that ended, however many were made and revoked', () => {
    for (let count = 0; count < 120; count += 1) tokens.revoke('acme', make().row.id);
    make();
    expect(tokens.list('acme').length).toBe(51);
  });
});
