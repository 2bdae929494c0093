import { constants } from 'node:crypto';
import { createServer, type SecureContext, type Server, type TLSSocket } from 'node:tls';
import type { Certificates } from './certificates.ts';
import type { EdgeLimits } from './limits.ts';
import type { RouteTable } from './route-table.ts';

/** RFC 8446, RFC 9325: what TLS 1.2 may still use. TLS 1.3 has no bad suites. */
const tls12Ciphers = [
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ...['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
];
const tls13Ciphers = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

export interface TlsServerOptions {
  routes: RouteTable;
  certificates: Certificates;
  limits: EdgeLimits;
  onConnection: (socket: TLSSocket) => void;
}

/** Makes TLS of accepted connections (given to it by `connection` events); it listens nowhere itself. */
export function createTlsServer({ routes, certificates, limits, onConnection }: TlsServerOptions): Server {
  const findContext = (serverName: string): SecureContext | undefined => {
    const host = serverName.toLowerCase();
    const tenant = routes.findHost(host)?.tenant;
    return tenant && certificates.find(tenant.name, host)?.context;
  };
  const server = createServer({
    allowHalfOpen: true,
    minVersion: 'TLSv1.2',
    ciphers: [...tls13Ciphers, ...tls12Ciphers].join(':'),
    honorCipherOrder: true,
    // A client that renegotiates makes the edge pay for each handshake.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout: limits.handshakeMs,
    // Without a certificate for the name the handshake fails, as it must: any other certificate would be the wrong one.
    SNICallback: (serverName, done) => done(null, findContext(serverName)),
  });
  server.on('secureConnection', onConnection);
  // A client's fault, or its going away; the socket is closed by then.
  server.on('tlsClientError', (_, socket) => socket.destroy());
  return server;
}
