import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { ServedCertificate } from '../../../src/edge/certificates.ts';
import { SecureContexts } from '../../../src/edge/secure-contexts.ts';
import { makeCertificate } from '../../support/certificate.ts';

function served(name: string): ServedCertificate {
  const made = makeCertificate([name]);
  return new ServedCertificate({ tenant: 'acme' as TenantName, id: name, ...made }, new X509Certificate(made.chain));
}

test('contexts are kept for the certificates that were asked for last, and so many of them', () => {
  const contexts = new SecureContexts(2);
  const [one, two, three] = [served('one.example'), served('two.example'), served('three.example')];
  const first = contexts.contextOf(one);
  const second = contexts.contextOf(two);
  expect(contexts.contextOf(one)).toBe(first);
  contexts.contextOf(three);
  expect(contexts.size).toBe(2);
  expect(contexts.contextOf(one)).toBe(first);
  expect(contexts.contextOf(two)).not.toBe(second);
});
