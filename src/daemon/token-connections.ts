import type { Duplex } from 'node:stream';
import { TenantdError } from '../base/errors.ts';
import type { TokenRow } from './token-rows.ts';
import type { Tokens } from './tokens.ts';

/** What is open for each token: calls, logs that are followed, shells. */
export interface TokenConnections {
  /** Throws TENANTD_E_TOO_MANY. */
  add(token: TokenRow, stream: Duplex): void;
  /** Those whose token does not hold any more. */
  readonly endUnheld: () => void;
  close(): void;
}

/** One has 64 KiB of buffers, and at most some MiB of what waits for its client. */
const maxConnections = 256;
const maxOfTenant = 24;
const maxOfToken = 16;
/** Tokens expire, and tenants go, without a word. */
const lookEveryMs = 2_000;

export function createTokenConnections(tokens: Pick<Tokens, 'holds'>): TokenConnections {
  const open = new Map<Duplex, TokenRow>();
  const timer = setInterval(endUnheld, lookEveryMs).unref();

  function endUnheld(): void {
    for (const [stream, { id }] of open) if (!tokens.holds(id)) stream.destroy();
  }

  function assertRoom({ id, tenant }: TokenRow): void {
    const all = [...open.values()];
    const isFull =
      all.length >= maxConnections ||
      all.filter((other) => other.id === id).length >= maxOfToken ||
      all.filter((other) => other.tenant === tenant).length >= maxOfTenant;
    if (!isFull) return;
    const message = `too many connections are open with tokens (${maxOfToken} with one, ${maxOfTenant} of a tenant, ${maxConnections} in all)`;
    throw new TenantdError('TENANTD_E_TOO_MANY', message, 'end one of them: a shell, or logs that are followed');
  }

  return {
    add(token, stream) {
      assertRoom(token);
      open.set(stream, token);
      stream.once('close', () => open.delete(stream));
    },
    endUnheld,
    close() {
      clearInterval(timer);
      for (const stream of open.keys()) stream.destroy();
    },
  };
}
