import { createServer, type Server } from 'node:http';
import type { AddressInfo, Server as TcpServer } from 'node:net';
import { createSecureContext, createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import type { EdgeChallenge } from '../../../src/protocol/certs.ts';

/** Serves challenges on the ports that the CA asks, as the edges do. */
export class ChallengeEdge {
  readonly answered: string[] = [];
  private readonly http: Server;
  private readonly tls: TlsServer;

  private constructor(challenges: ReadonlyMap<string, EdgeChallenge>) {
    this.http = createServer((request, response) => {
      const host = (request.headers.host ?? '').replace(/:\d+$/, '');
      const challenge = challenges.get(`http-01 ${host}`);
      const isAsked = challenge?.type === 'http-01' && request.url === `/.well-known/acme-challenge/${challenge.token}`;
      if (isAsked) this.answered.push(`http-01 ${host}`);
      response.writeHead(isAsked ? 200 : 404).end(isAsked ? challenge.keyAuthorization : undefined);
    });
    this.tls = createTlsServer({
      ALPNProtocols: ['acme-tls/1'],
      SNICallback: (name, done) => {
        const challenge = challenges.get(`tls-alpn-01 ${name}`);
        if (challenge?.type !== 'tls-alpn-01') return done(new Error('no challenge'));
        this.answered.push(`tls-alpn-01 ${name}`);
        done(null, createSecureContext({ cert: challenge.chain, key: challenge.key }));
      },
    });
    this.tls.on('tlsClientError', () => undefined);
  }

  static async start(challenges: ReadonlyMap<string, EdgeChallenge>, httpPort: number, tlsPort: number): Promise<ChallengeEdge> {
    const edge = new ChallengeEdge(challenges);
    await Promise.all([listen(edge.http, httpPort), listen(edge.tls, tlsPort)]);
    return edge;
  }

  get httpPort(): number {
    return (this.http.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.http.closeAllConnections();
    await Promise.all([this.http, this.tls].map((server) => new Promise((resolve) => void server.close(resolve))));
  }
}

function listen(server: TcpServer, port: number): Promise<void> {
  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', resolve);
  });
}
