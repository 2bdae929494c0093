import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { ContextKeyRing } from '../../../src/edge/context-key-ring.ts';
import { ContextTokens } from '../../../src/edge/context-token.ts';

const nowMs = Date.UTC(2026, 0, 1, 12, 0, 0, 900);
const nowSeconds = Math.floor(nowMs / 1_000);
const newKeys = () => new ContextKeyRing(0).keys;
const targetOf = (tenant: string, release = 'r1') => ({ app: 'site' as AppName, tenant: { name: tenant as TenantName }, release });

function tokensWith(keys = newKeys()): ContextTokens {
  const tokens = new ContextTokens();
  tokens.setKeys(keys);
  return tokens;
}

interface Published {
  kty: string;
  kid: string;
}

function published(tokens: ContextTokens): Published[] {
  return (JSON.parse(tokens.jwks.bytes.toString()) as { keys: Published[] }).keys;
}

const decode = (part = ''): Record<string, unknown> => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;

/** As an app does it: the claims, if a published key verifies them. */
function claimsIn(fieldLine: string, keys: Published[]): Record<string, unknown> {
  const [header, claims, signature = ''] = fieldLine.slice('x-tenantd-context: '.length, -2).split('.');
  const jwk = keys.find(({ kid }) => kid === decode(header)['kid']);
  if (!jwk) throw new Error('the key of the token is not published');
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  const isValid = verify(null, Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, 'base64url'));
  if (!isValid) throw new Error('the signature does not fit');
  return decode(claims);
}

describe('a token', () => {
  const tokens = tokensWith();
  const fieldLine = tokens.fieldLine(targetOf('acme'), 'www.acme.example', undefined, nowMs);

  test('is one field line', () => {
    expect(fieldLine).toMatch(/^x-tenantd-context: [\w-]+\.[\w-]+\.[\w-]+\r\n$/);
  });

  test('says for whom it is, and for how long, to whoever has the published keys', () => {
    expect(claimsIn(fieldLine, published(tokens))).toEqual({
      ...{ iss: 'tenantd', aud: 'acme/site', sub: 'acme', tenant: 'acme', app: 'site', host: 'www.acme.example', release: 'r1' },
      ...{ iat: nowSeconds, exp: nowSeconds + 60 },
    });
  });

  test('is a JWT signed by Ed25519', () => {
    const [kid] = published(tokens).map((key) => key.kid);
    expect(decode(fieldLine.split(' ')[1]?.split('.')[0])).toEqual({ alg: 'EdDSA', kid, typ: 'JWT' });
  });

  test('is not verified by a key of another edge', () => {
    expect(() => claimsIn(fieldLine, published(tokensWith()))).toThrow('not published');
    const forged = published(tokensWith()).map((key) => ({ ...key, kid: published(tokens)[0]?.kid ?? '' }));
    expect(() => claimsIn(fieldLine, forged)).toThrow('does not fit');
  });
});

describe('a token is signed once', () => {
  test('for requests of the same app and host, while half of its time is left', () => {
    const tokens = tokensWith();
    const target = targetOf('acme');
    const first = tokens.fieldLine(target, 'a.example', undefined, nowMs);
    expect(tokens.fieldLine(target, 'a.example', undefined, nowMs + 28_999)).toBe(first);
    const second = tokens.fieldLine(target, 'a.example', undefined, nowMs + 29_000);
    expect(claimsIn(second, published(tokens))).toMatchObject({ iat: nowSeconds + 29 });
  });

  test('and again for each host, app, release and key', () => {
    const tokens = tokensWith();
    const target = targetOf('acme');
    const lines = [
      tokens.fieldLine(target, 'a.example', undefined, nowMs),
      tokens.fieldLine(target, 'b.example', undefined, nowMs),
      tokens.fieldLine(targetOf('globex'), 'a.example', undefined, nowMs),
    ];
    target.release = 'r2';
    lines.push(tokens.fieldLine(target, 'a.example', undefined, nowMs));
    tokens.setKeys(newKeys());
    lines.push(tokens.fieldLine(target, 'a.example', undefined, nowMs));
    expect(new Set(lines).size).toBe(5);
  });

  test('and again when the clock was set back, so that it is not from the future', () => {
    const tokens = tokensWith();
    const target = targetOf('acme');
    tokens.fieldLine(target, 'a.example', undefined, nowMs);
    const earlier = tokens.fieldLine(target, 'a.example', undefined, nowMs - 3_600_000);
    expect(claimsIn(earlier, published(tokens))).toMatchObject({ iat: nowSeconds - 3_600 });
  });
});

describe('of a flood of hosts below a wildcard', () => {
  const flood = (tokens: ContextTokens, target: ReturnType<typeof targetOf>, count: number): string[] =>
    Array.from({ length: count }, (_, index) => tokens.fieldLine(target, `${index}.acme.example`, '*.acme.example', nowMs));
  const hostsIn = (tokens: ContextTokens, lines: string[]): unknown[] => lines.map((line) => claimsIn(line, published(tokens))['host']);

  test('so many get tokens of their own, and all others that of the wildcard, signed once', () => {
    const tokens = tokensWith();
    const lines = flood(tokens, targetOf('acme'), 1_000);
    expect(hostsIn(tokens, lines.slice(0, 200))).toEqual(Array.from({ length: 200 }, (_, index) => `${index}.acme.example`));
    expect(new Set(lines.slice(200)).size).toBe(1);
    expect(hostsIn(tokens, lines.slice(-1))).toEqual(['*.acme.example']);
  });

  test('those that had a token keep it', () => {
    const tokens = tokensWith();
    const target = targetOf('acme');
    const shop = tokens.fieldLine(target, 'shop.acme.example', '*.acme.example', nowMs);
    flood(tokens, target, 1_000);
    expect(tokens.fieldLine(target, 'shop.acme.example', '*.acme.example', nowMs)).toBe(shop);
  });

  test('another tenant feels nothing, nor does a host that is not below it', () => {
    const tokens = tokensWith();
    const target = targetOf('acme');
    flood(tokens, target, 1_000);
    const others = [
      tokens.fieldLine(targetOf('globex'), 'shop.globex.example', '*.globex.example', nowMs),
      tokens.fieldLine(target, 'acme.example', undefined, nowMs),
    ];
    expect(hostsIn(tokens, others)).toEqual(['shop.globex.example', 'acme.example']);
  });

  test('a second later others get tokens of their own again', () => {
    const tokens = tokensWith();
    const target = targetOf('acme');
    flood(tokens, target, 1_000);
    const later = tokens.fieldLine(target, 'new.acme.example', '*.acme.example', nowMs + 1_000);
    expect(hostsIn(tokens, [later])).toEqual(['new.acme.example']);
  });
});

describe('what is published', () => {
  test('has every key, and of none the private half', () => {
    const keys = [...newKeys(), ...newKeys()];
    const tokens = tokensWith(keys);
    expect(published(tokens)).toEqual(
      keys.map(({ id }) => ({
        kty: 'OKP',
        crv: 'Ed25519',
        x: expect.stringMatching(/^[\w-]{43}$/) as string,
        kid: id,
        alg: 'EdDSA',
        use: 'sig',
      })),
    );
    expect(tokens.jwks).toMatchObject({ contentType: 'application/jwk-set+json', cacheControl: 'public, max-age=300' });
  });

  test('is empty before there are keys, and nothing is signed then', () => {
    const tokens = new ContextTokens();
    expect(published(tokens)).toEqual([]);
    expect(tokens.fieldLine(targetOf('acme'), 'a.example', undefined, nowMs)).toBe('');
  });

  test('verifies tokens of the key before, while that is published', () => {
    const [before, after] = [newKeys(), newKeys()];
    const tokens = tokensWith(before);
    const fieldLine = tokens.fieldLine(targetOf('acme'), 'a.example', undefined, nowMs);
    tokens.setKeys([...after, ...before]);
    expect(claimsIn(fieldLine, published(tokens))).toMatchObject({ tenant: 'acme' });
  });
});
