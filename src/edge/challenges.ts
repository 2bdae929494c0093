import { createSecureContext, type SecureContext } from 'node:tls';
import type { EdgeChallenge } from '../protocol/edge.ts';

/** RFC 8737: what a CA offers in a handshake that checks a name. */
export const acmeProtocol = 'acme-tls/1';
/** RFC 8555 8.3. */
const httpPath = '/.well-known/acme-challenge/';

/** What CAs are to be answered for which hosts; one of each type for a host. */
export class Challenges {
  private readonly http = new Map<string, { path: string; content: Buffer }>();
  private readonly tls = new Map<string, SecureContext>();

  set(challenge: EdgeChallenge): void {
    const { host } = challenge;
    if (challenge.type === 'tls-alpn-01') this.tls.set(host, createSecureContext({ cert: challenge.chain, key: challenge.key }));
    else this.http.set(host, { path: `${httpPath}${challenge.token}`, content: Buffer.from(challenge.keyAuthorization) });
  }

  remove({ type, host }: Pick<EdgeChallenge, 'type' | 'host'>): void {
    if (type === 'tls-alpn-01') this.tls.delete(host);
    else this.http.delete(host);
  }

  /** The content for a path of that host; undefined when it is not asked for by a CA that we asked. */
  httpContent(host: string, path: string): Buffer | undefined {
    if (this.http.size === 0 || !path.startsWith(httpPath)) return undefined;
    const challenge = this.http.get(host);
    return challenge?.path === path ? challenge.content : undefined;
  }

  tlsContext(host: string): SecureContext | undefined {
    return this.tls.get(host);
  }
}
