import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import type { EdgeKeyNotifications } from '../protocol/edge.ts';

export interface ContextClaims {
  tenant: string;
  app: string;
  host: string;
  release: string;
  /** The app of another tenant that asks, as `tenant/app`. */
  caller?: string;
}

export type ContextKeys = EdgeKeyNotifications['set-context-keys']['keys'];

/** How long a token is good for. */
const lifeSeconds = 60;

/** Signs `x-tenantd-context` with one key (RFC 7519, RFC 8037 3.1). One signature costs about as much as one request. */
export class ContextSigner {
  private readonly key: KeyObject;
  private readonly header: string;

  constructor({ id, privateKey }: ContextKeys[number]) {
    this.key = importPrivateKey(privateKey);
    this.header = encodePart({ alg: 'EdDSA', kid: id, typ: 'JWT' });
  }

  /** `atMs`: by the clock of the world. */
  sign(about: ContextClaims, atMs: number): string {
    const { tenant, app } = about;
    const iat = Math.floor(atMs / 1_000);
    const claims = { iss: 'tenantd', aud: `${tenant}/${app}`, sub: tenant, ...about, iat, exp: iat + lifeSeconds };
    const signed = `${this.header}.${encodePart(claims)}`;
    return `${signed}.${sign(null, Buffer.from(signed), this.key).toString('base64url')}`;
  }
}

/** The public halves as a JWK set (RFC 7517 5, RFC 8037 2). */
export function renderJwks(keys: ContextKeys): Buffer {
  const published = keys.map(({ id, privateKey }) => {
    const { kty, crv, x } = createPublicKey(importPrivateKey(privateKey)).export({ format: 'jwk' });
    return { kty, crv, x, kid: id, alg: 'EdDSA', use: 'sig' };
  });
  return Buffer.from(`${JSON.stringify({ keys: published })}\n`);
}

function importPrivateKey(base64: string): KeyObject {
  return createPrivateKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'pkcs8' });
}

function encodePart(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
