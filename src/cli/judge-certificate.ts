import { createPrivateKey, X509Certificate } from 'node:crypto';
import { messageOf } from '../base/errors.ts';
import type { JudgeCertificate } from '../config/check.ts';
import { listSome } from '../config/quote.ts';

/** The edge judges alike when it is given one; here an operator hears of it before. */
export function createCertificateJudge(now: () => number): JudgeCertificate {
  return ({ chain, key }, names) => {
    try {
      const leaf = new X509Certificate(chain);
      const fits = leaf.checkPrivateKey(createPrivateKey(key));
      return [...(fits ? [] : ['the key is not that of the certificate']), ...judgeTime(leaf, now()), ...judgeNames(leaf, names)];
    } catch (error) {
      return [`the certificate or its key can not be read: ${messageOf(error)}`];
    }
  };
}

function judgeTime({ validFromDate, validToDate }: X509Certificate, nowMs: number): string[] {
  if (validToDate.getTime() <= nowMs) return [`the certificate expired on ${validToDate.toISOString()}`];
  return validFromDate.getTime() > nowMs ? [`the certificate counts from ${validFromDate.toISOString()} on`] : [];
}

/** A wildcard of a tenant is covered by the same one of the certificate, though that stands for one label (RFC 6125, 6.4.3). */
function judgeNames(leaf: X509Certificate, names: readonly string[]): string[] {
  const uncovered = names.filter((name) => leaf.checkHost(name.replace(/^\*/, 'any'), { subject: 'never' }) === undefined);
  return uncovered.length === 0 ? [] : [`the certificate does not cover ${listSome(uncovered)}`];
}
