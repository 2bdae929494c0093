import { createPrivateKey, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { messageOf } from '../base/errors.ts';
import type { CertificateSummary } from './names.ts';
import type { CertificateRecord } from './records.ts';

/** What a certificate of ours says; throws with a sentence when it can not be served for its name. */
export function summarize({ name, from, chain, key, ariId }: CertificateRecord): CertificateSummary {
  const leaf = new X509Certificate(chain);
  if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error('the key does not fit the certificate');
  if (!namesOf(leaf).includes(name)) throw new Error(`the certificate is not for ${name}`);
  return {
    ...{ from, ariId },
    issuer: readableName(leaf.issuer),
    notBeforeMs: Date.parse(leaf.validFrom),
    notAfterMs: Date.parse(leaf.validTo),
  };
}

export function faultOf(record: CertificateRecord): string | undefined {
  try {
    summarize(record);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function namesOf(leaf: X509Certificate): string[] {
  return (leaf.subjectAltName ?? '').split(', ').map((entry) => entry.replace(/^DNS:/, '').toLowerCase());
}

/** `O=Let's Encrypt` and `CN=E5` on two lines become "E5, Let's Encrypt"; a name of one line is that. */
function readableName(distinguishedName: string): string {
  const parts = new Map(distinguishedName.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
  const [commonName, organization] = [parts.get('CN'), parts.get('O')];
  return [commonName, organization].filter((part) => part !== undefined).join(', ') || distinguishedName;
}

/** RFC 9773, 4.1: the authority key identifier, a dot, the serial number; both in base64url. Undefined where the first is missing. */
export function ariIdOf(chain: string): string | undefined {
  const leaf = new x509.X509Certificate(new X509Certificate(chain).raw);
  const keyId = leaf.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId;
  if (keyId === undefined) return undefined;
  return [keyId, serialBytes(leaf.serialNumber)].map((hex) => Buffer.from(hex, 'hex').toString('base64url')).join('.');
}

/** With the leading zero byte that DER has before a high bit. */
function serialBytes(hex: string): string {
  const even = hex.length % 2 === 0 ? hex : `0${hex}`;
  return Number.parseInt(even.slice(0, 2), 16) >= 0x80 ? `00${even}` : even;
}
