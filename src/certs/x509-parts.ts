import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto);

/** Keys of leaf certificates and of the local CA. */
const ecdsaP256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export type KeyPair = webcrypto.CryptoKeyPair;

export function makeKeyPair(): Promise<KeyPair> {
  return webcrypto.subtle.generateKey(ecdsaP256, true, ['sign', 'verify']);
}

/** PEM, PKCS #8. */
export async function writeKey({ privateKey }: KeyPair): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', privateKey), 'PRIVATE KEY')}\n`;
}

export async function readKey(pem: string): Promise<KeyPair> {
  const bytes = x509.PemConverter.decodeFirst(pem);
  const privateKey = await webcrypto.subtle.importKey('pkcs8', bytes, ecdsaP256, true, ['sign']);
  const { kty, crv, x, y } = await webcrypto.subtle.exportKey('jwk', privateKey);
  const publicPart = { kty, crv, x, y } as webcrypto.JsonWebKey;
  const publicKey = await webcrypto.subtle.importKey('jwk', publicPart, ecdsaP256, true, ['verify']);
  return { privateKey, publicKey };
}

export interface CertificateParts {
  subject: string;
  notBeforeMs: number;
  notAfterMs: number;
  keys: KeyPair;
  extensions: x509.Extension[];
  /** Absent: signed with its own key. */
  issuer?: { subject: string; keys: KeyPair };
}

/** PEM. */
export async function makeCertificate(parts: CertificateParts): Promise<string> {
  const { subject, keys, issuer, extensions } = parts;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: makeSerialNumber(),
    subject,
    issuer: issuer?.subject ?? subject,
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: ecdsaP256,
    notBefore: new Date(parts.notBeforeMs),
    notAfter: new Date(parts.notAfterMs),
    extensions,
  });
  return `${certificate.toString('pem')}\n`;
}

/** RFC 5280, 4.1.2.2: positive, at most 20 bytes; not to be guessed (CA/B baseline requirements, 7.1). */
function makeSerialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

/** PEM. Without a common name: that has at most 64 characters (RFC 5280, appendix A.1). */
export async function makeSigningRequest(keys: KeyPair, name: string): Promise<string> {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: ecdsaP256,
    extensions: [namesExtension(name)],
  });
  return request.toString('pem');
}

/** Critical where there is no subject (RFC 5280, 4.2.1.6). */
export function namesExtension(name: string, critical = false): x509.Extension {
  return new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }], critical);
}
