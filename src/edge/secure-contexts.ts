import { createSecureContext, type SecureContext } from 'node:tls';
import type { ServedCertificate } from './certificates.ts';

/** About 40 KB each; to make one costs about as much as the handshake that it is for. */
const defaultMost = 2_000;

/** What OpenSSL needs of a certificate, for those that were asked for last. */
export class SecureContexts {
  /** The one that was not asked for the longest comes first. */
  private readonly made = new Map<ServedCertificate, SecureContext>();
  private readonly most: number;

  constructor(most = defaultMost) {
    this.most = most;
  }

  get size(): number {
    return this.made.size;
  }

  /** Throws for a certificate that OpenSSL does not take. */
  contextOf(certificate: ServedCertificate): SecureContext {
    const context = this.made.get(certificate) ?? createSecureContext({ ...certificate.pem, minVersion: 'TLSv1.2' });
    this.made.delete(certificate);
    this.made.set(certificate, context);
    const [oldest] = this.made.keys();
    if (this.made.size > this.most && oldest) this.made.delete(oldest);
    return context;
  }
}
