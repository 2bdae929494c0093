import type { Outgoing, Reply } from './acme-transport.ts';

const nonceField = 'replay-nonce';
/** They grow old: a CA that takes one no more gives another, and acme-client asks again with that. */
const maxNonces = 32;

/**
 * acme-client asks for a new nonce before each request, though every answer brings one (RFC 8555, 6.5): those are kept here, by
 * CA, and answer its question. That halves the round trips.
 */
export class NoncePool {
  private readonly nonces = new Map<string, string[]>();

  /** Undefined when it has to be asked for. */
  answer({ url = '', method }: Outgoing): Reply | undefined {
    const nonce = method === 'head' ? this.nonces.get(new URL(url).origin)?.pop() : undefined;
    return nonce === undefined ? undefined : { status: 200, headers: { [nonceField]: nonce }, body: '' };
  }

  /** An answer to the question itself, and a refused nonce's (400), are used at once by who asked. */
  keep({ url = '', method }: Outgoing, reply: Reply): Reply {
    const nonce = reply.headers[nonceField];
    if (nonce === undefined || method === 'head' || reply.status === 400) return reply;
    const { origin } = new URL(url);
    this.nonces.set(origin, [...(this.nonces.get(origin) ?? []), nonce].slice(-maxNonces));
    return reply;
  }
}
