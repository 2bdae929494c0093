import { createHash } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { makeCertificate, makeKeyPair, namesExtension, writeKey } from './x509-parts.ts';

/** id-pe-acmeIdentifier (RFC 8737, 6.1). */
const acmeIdentifier = '1.3.6.1.5.5.7.1.31';
const hourMs = 3_600_000;

/** RFC 8737, 3: signed by itself, for this name alone, with the key authorization's hash in a critical extension. */
export async function makeProofCertificate(name: string, keyAuthorization: string, nowMs: number): Promise<{ chain: string; key: string }> {
  const keys = await makeKeyPair();
  const hash = createHash('sha256').update(keyAuthorization).digest();
  /** DER: OCTET STRING, 32 bytes. */
  const value = Buffer.concat([Buffer.from([0x04, hash.length]), hash]);
  const chain = await makeCertificate({
    ...{ subject: 'CN=ACME challenge', keys },
    notBeforeMs: nowMs - hourMs,
    notAfterMs: nowMs + 24 * hourMs,
    extensions: [namesExtension(name), new x509.Extension(acmeIdentifier, true, new Uint8Array(value))],
  });
  return { chain, key: await writeKey(keys) };
}
