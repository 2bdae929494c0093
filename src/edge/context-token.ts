import type { AppName, TenantName } from '../base/ids.ts';
import { type ContextKeys, ContextSigner, renderJwks } from './context-signer.ts';
import { GenerationCache } from './generation-cache.ts';
import { TokenBucket } from './token-bucket.ts';

/** Whom a token is for: the same object for all requests of one app. */
export interface ContextTarget {
  readonly app: AppName;
  readonly tenant: { readonly name: TenantName };
  readonly release: string;
}

interface ContextToken {
  release: string;
  signer: ContextSigner;
  signedAtMs: number;
  fieldLine: string;
}

/** A token is good for sixty seconds, by whole ones; an app has it with at least thirty left. */
const reuseMs = 29_000;
const maxTokens = 10_000;
const generationMs = 60_000;
/** Of one tenant, for hosts below its wildcards: at most 4 ms of CPU a second. */
const signaturesPerSecond = 100;

/**
 * `x-tenantd-context`, signed once for many requests.
 *
 * Hosts below a wildcard are made up by clients: anyone could have a signature for each request, which costs more than the
 * request. So a tenant has only so many a second for them. Beyond that, a host that has no token yet gets that of the wildcard
 * itself (`"host": "*.example.com"`): as true, less exact, and signed once like any other.
 *
 * Invariant: a token is given out only for its app, host and release, signed by the first key, with half of its time left.
 */
export class ContextTokens {
  /** For `/.well-known/tenantd/jwks.json`. To be kept for less than the ten minutes for which a key is published before it signs. */
  jwks = { contentType: 'application/jwk-set+json', cacheControl: 'public, max-age=300', bytes: renderJwks([]) };
  private signer: ContextSigner | undefined = undefined;
  private readonly cache = new GenerationCache<ContextTarget, ContextToken>(maxTokens, generationMs);
  private readonly budgets = new WeakMap<ContextTarget['tenant'], TokenBucket>();

  /** The first one signs; all are published. */
  setKeys(keys: ContextKeys): void {
    this.jwks = { ...this.jwks, bytes: renderJwks(keys) };
    this.signer = keys[0] && new ContextSigner(keys[0]);
  }

  /**
   * A whole field line; empty while there is no key. `wildcard`: the route's host, when that is one. `nowMs`: since 1970.
   * `caller`: `globex/web`, when it is another tenant's app that asks.
   */
  fieldLine(target: ContextTarget, host: string, wildcard: string | undefined, nowMs: number, caller?: string): string {
    const { signer } = this;
    if (!signer) return '';
    // No host has a space.
    const key = caller === undefined ? host : `${host} ${caller}`;
    const token = this.cache.find(target, key, nowMs);
    if (token && isUsable(token, target, signer, nowMs)) return token.fieldLine;
    if (wildcard !== undefined && !this.maySign(target, nowMs)) return this.fieldLine(target, wildcard, undefined, nowMs);
    const { app, tenant, release } = target;
    const claims = { tenant: tenant.name, app, host, release, ...(caller !== undefined && { caller }) };
    const fieldLine = `x-tenantd-context: ${signer.sign(claims, nowMs)}\r\n`;
    this.cache.set(target, key, { release, signer, signedAtMs: nowMs, fieldLine }, nowMs);
    return fieldLine;
  }

  private maySign({ tenant }: ContextTarget, nowMs: number): boolean {
    let budget = this.budgets.get(tenant);
    if (!budget) this.budgets.set(tenant, (budget = new TokenBucket(signaturesPerSecond, nowMs)));
    return budget.take(nowMs) === 0;
  }
}

function isUsable({ release, signer, signedAtMs }: ContextToken, target: ContextTarget, current: ContextSigner, nowMs: number): boolean {
  const ageMs = nowMs - signedAtMs;
  return signer === current && release === target.release && ageMs >= 0 && ageMs < reuseMs;
}
