import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { TokenInfo, TokenRole } from '../protocol/token-calls.ts';
import type { Who } from './policy.ts';
import type { TokenRow, TokenRows } from './token-rows.ts';

/**
 * The tokens that are there, and which of them hold.
 *
 * Invariants:
 * - A token's secret is nowhere but in its holder's hands: its hash is kept.
 * - A token that a token made ends with it at the latest, and is revoked with it.
 * - A tenant has a bounded number of tokens, those that ended included.
 */
export interface Tokens {
  create(order: TokenOrder): { row: TokenRow; text: string };
  /** Of all without a tenant; '' for the operator's own. */
  list(tenant: string | undefined): TokenInfo[];
  /** With those that it made. Throws when there is none, of that tenant. */
  revoke(tenant: string | undefined, id: string): TokenRow[];
  /** Of a text that somebody gave. Throws TENANTD_E_BAD_TOKEN. */
  authenticate(text: string): TokenRow;
  /** It is neither revoked, nor expired, nor gone. */
  holds(id: string): boolean;
  noteUse(id: string): void;
}

export interface TokenOrder {
  tenant: TenantName | '';
  role: TokenRole;
  name: string;
  lifetimeMs: number | 'never' | undefined;
  by: { actor: string; who: Who };
}

const idCharacters = 'abcdefghijkmnpqrstuvwxyz23456789';
const idLength = 6;
const secretBytes = 32;
/** Known to those who look for secrets in places where none belong, by how it begins. */
const textPattern = /^tenantd_([a-z0-9]{6})_([A-Za-z0-9_-]{43})$/;
const dayMs = 86_400_000;
const defaultLifetimeMs = 90 * dayMs;
const maxTokensOfTenant = 50;
/** Those that ended are listed for a while. */
const maxEndedOfTenant = 50;
const endedKeptMs = 30 * dayMs;
/** Each time is a write to the disk. */
const useNotedEveryMs = 15 * 60_000;
const nobodysHash = Buffer.alloc(32);

export function createTokens({ rows, nowMs }: { rows: TokenRows; nowMs: () => number }): Tokens {
  function isLive({ expiresAtMs, revokedAtMs }: TokenRow): boolean {
    return revokedAtMs === undefined && (expiresAtMs === undefined || nowMs() < expiresAtMs);
  }

  function find(id: string): TokenRow | undefined {
    const row = rows.find(id);
    return row && isLive(row) ? row : undefined;
  }

  /** Refused when it is to outlive its maker; `never` is the operator's to give. */
  function expiryOf({ lifetimeMs, by: { who } }: TokenOrder): number | undefined {
    const makersEnd = who.token === undefined ? undefined : rows.find(who.token)?.expiresAtMs;
    if (lifetimeMs === 'never') {
      if (who.role === 'operator' && makersEnd === undefined) return undefined;
      throw tooLong(makersEnd);
    }
    const wantedMs = nowMs() + (lifetimeMs ?? defaultLifetimeMs);
    if (makersEnd === undefined || wantedMs <= makersEnd) return wantedMs;
    if (lifetimeMs === undefined) return makersEnd;
    throw tooLong(makersEnd);
  }

  function makeRoom(tenant: TenantName | ''): void {
    const present = rows.of(tenant);
    const ended = present.filter((row) => !isLive(row)).sort((a, b) => endOf(b) - endOf(a));
    ended.filter((row, index) => index >= maxEndedOfTenant || endOf(row) < nowMs() - endedKeptMs).forEach((row) => rows.remove(row));
    if (present.length - ended.length < maxTokensOfTenant) return;
    const message = `${tenant === '' ? 'the operator' : tenant} has ${maxTokensOfTenant} tokens, which is the limit`;
    throw new TenantdError('TENANTD_E_TOO_MANY', message, 'revoke one: see tenantctl token list');
  }

  function newId(): string {
    for (;;) {
      const id = Array.from({ length: idLength }, () => idCharacters[randomInt(idCharacters.length)]).join('');
      if (!rows.find(id)) return id;
    }
  }

  return {
    create(order) {
      const expiresAtMs = expiryOf(order);
      makeRoom(order.tenant);
      const { tenant, role, name, by } = order;
      const id = newId();
      const secret = randomBytes(secretBytes).toString('base64url');
      const made = { createdAt: new Date(nowMs()).toISOString(), createdBy: by.actor, parent: by.who.token ?? '' };
      const row = { tenant, id, role, name, hash: hashOf(secret), ...made, expiresAtMs, lastUsedAtMs: undefined, revokedAtMs: undefined };
      rows.put(row);
      return { row, text: `tenantd_${id}_${secret}` };
    },

    list: (tenant) => (tenant === undefined ? rows.all() : rows.of(tenant)).map(toTokenInfo),

    revoke(tenant, id) {
      const row = rows.find(id);
      if (!row || (tenant !== undefined && row.tenant !== tenant)) throw noSuchToken(id);
      const ended = withThoseMadeBy(row, rows.all()).filter(({ revokedAtMs }) => revokedAtMs === undefined);
      for (const one of ended) rows.setRevoked(one, nowMs());
      return ended;
    },

    authenticate(text) {
      const [, id = '', secret = ''] = textPattern.exec(text) ?? [];
      const row = rows.find(id);
      // What is wrong is told to those alone who have the secret.
      const isRight = timingSafeEqual(hashOf(secret), row?.hash ?? nobodysHash);
      if (!row || !isRight) throw badToken('is not one of this machine');
      if (row.revokedAtMs !== undefined) throw badToken(`${id} was revoked`);
      if (!isLive(row)) throw badToken(`${id} has expired`);
      return row;
    },

    holds: (id) => find(id) !== undefined,

    noteUse(id) {
      const row = find(id);
      if (row && nowMs() - (row.lastUsedAtMs ?? 0) >= useNotedEveryMs) rows.setLastUsed(row, nowMs());
    },
  };
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Also those that these made. */
function withThoseMadeBy(row: TokenRow, all: readonly TokenRow[]): TokenRow[] {
  return [row, ...all.filter(({ parent }) => parent === row.id).flatMap((made) => withThoseMadeBy(made, all))];
}

function endOf({ expiresAtMs, revokedAtMs }: TokenRow): number {
  return Math.min(expiresAtMs ?? Infinity, revokedAtMs ?? Infinity);
}

export function toTokenInfo({ tenant, id, role, name, createdAt, createdBy, ...row }: TokenRow): TokenInfo {
  const time = (ms: number): string => new Date(ms).toISOString();
  return {
    ...{ id, tenant, role, name, createdAt, createdBy },
    ...(row.expiresAtMs !== undefined && { expiresAt: time(row.expiresAtMs) }),
    ...(row.lastUsedAtMs !== undefined && { lastUsedAt: time(row.lastUsedAtMs) }),
    ...(row.revokedAtMs !== undefined && { revokedAt: time(row.revokedAtMs) }),
  };
}

function tooLong(makersEndMs: number | undefined): TenantdError {
  const until =
    makersEndMs === undefined
      ? 'it has to expire'
      : `it may not outlive the one that asks for it, until ${new Date(makersEndMs).toISOString()}`;
  return new TenantdError('TENANTD_E_DENIED', `the token would last too long: ${until}`, 'ask for less by --expires, or ask the operator');
}

function badToken(why: string): TenantdError {
  return new TenantdError('TENANTD_E_BAD_TOKEN', `the token ${why}`, 'ask the operator, or an admin of the tenant, for a new one');
}

function noSuchToken(id: string): TenantdError {
  return new TenantdError('TENANTD_E_NO_SUCH_TOKEN', `there is no token ${id}`, 'see tenantctl token list');
}
