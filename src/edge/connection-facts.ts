import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { forwardedFields } from './client-address.ts';

/** What is known of a client's connection, whatever comes over it. */
export interface ConnectionFacts {
  readonly secure: boolean;
  /** The host name that the TLS handshake named, lower case. */
  readonly serverName: string | undefined;
  /** `TLSv1.3`, say. */
  readonly tlsVersion: string | undefined;
  /** Whole field lines that tell an app who its client is. */
  readonly forwardedFields: string;
}

export function connectionFacts(socket: Socket): ConnectionFacts {
  const secure = socket instanceof TLSSocket;
  const serverName = secure && typeof socket.servername === 'string' ? socket.servername.toLowerCase() : undefined;
  return {
    secure,
    serverName,
    tlsVersion: secure ? (socket.getProtocol() ?? undefined) : undefined,
    forwardedFields: forwardedFields(socket),
  };
}
