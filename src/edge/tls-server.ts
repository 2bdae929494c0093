import { constants } from 'node:crypto';
import { createServer, type SecureContext, type Server, type TLSSocket } from 'node:tls';
import { messageOf } from '../base/errors.ts';
import type { Certificates } from './certificates.ts';
import { acmeProtocol, type Challenges } from './challenges.ts';
import type { FaultLog } from './fault-log.ts';
import type { EdgeLimits } from './limits.ts';
import type { RouteTable } from './route-table.ts';
import { SecureContexts } from './secure-contexts.ts';

/** RFC 8446, RFC 9325: what TLS 1.2 may still use. TLS 1.3 has no bad suites. */
const tls12Ciphers = [
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ...['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
];
const tls13Ciphers = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];
/** In the order of preference. */
const protocols = ['h2', 'http/1.1'];

export interface TlsServerOptions {
  routes: RouteTable;
  certificates: Certificates;
  challenges: Challenges;
  limits: EdgeLimits;
  /** A tenant has this host, which may be a wildcard, but no certificate for it. */
  onMissingCertificate: (host: string) => void;
  reportFault: FaultLog;
  onConnection: (socket: TLSSocket) => void;
}

/** Makes TLS of accepted connections (given to it by `connection` events); it listens nowhere itself. */
export function createTlsServer(options: TlsServerOptions): Server {
  const { challenges, limits, onConnection } = options;
  const contexts = new SecureContexts();
  /**
   * Handshakes of a CA that checks a name. In TLS 1.3 the protocol is chosen before the certificate, so the one must tell the other;
   * in TLS 1.2 it is the other way round, and such a check fails, for which the CA has other ways.
   */
  const checks = new WeakSet<object>();

  function chooseProtocol(
    this: object,
    { servername, protocols: offered }: { servername: string; protocols: string[] },
  ): string | undefined {
    if (!offered.includes(acmeProtocol)) return protocols.find((protocol) => offered.includes(protocol));
    if (!challenges.tlsContext(servername.toLowerCase())) return undefined;
    checks.add(this);
    return acmeProtocol;
  }

  // Without a certificate for the name the handshake fails, as it must: any other certificate would be the wrong one.
  function chooseCertificate(this: object, serverName: string, done: (error: null, context?: SecureContext) => void): void {
    const host = serverName.toLowerCase();
    done(null, checks.has(this) ? challenges.tlsContext(host) : findContext(options, contexts, host));
  }

  const server = createServer({
    allowHalfOpen: true,
    minVersion: 'TLSv1.2',
    ciphers: [...tls13Ciphers, ...tls12Ciphers].join(':'),
    honorCipherOrder: true,
    // A client that renegotiates makes the edge pay for each handshake.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    handshakeTimeout: limits.handshakeMs,
    ALPNCallback: chooseProtocol,
    SNICallback: chooseCertificate,
  });
  server.on('secureConnection', (socket) => {
    // The handshake was all that the CA wanted; nothing that it still sends is waited for.
    if (checks.has(socket)) socket.destroySoon();
    else onConnection(socket);
  });
  // A client's fault, or its going away; the socket is closed by then.
  server.on('tlsClientError', (_, socket) => socket.destroy());
  return server;
}

function findContext(options: TlsServerOptions, contexts: SecureContexts, host: string): SecureContext | undefined {
  const { routes, certificates, onMissingCertificate, reportFault } = options;
  const entry = routes.findHost(host);
  if (!entry) return undefined;
  const certificate = certificates.find(entry.tenant.name, host);
  if (!certificate) onMissingCertificate(entry.wildcard ?? host);
  try {
    return certificate && contexts.contextOf(certificate);
  } catch (error) {
    // It was read well when it was set: one tenant's handshakes fail, and nobody else's.
    reportFault('error', `the certificate of ${host} can not be used: ${messageOf(error)}`);
    return undefined;
  }
}
