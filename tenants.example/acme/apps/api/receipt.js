import { createHmac } from 'node:crypto';

/** Signed with the secret RECEIPT_KEY; undefined where nobody set it. */
export function receiptOf(text) {
  const key = process.env.RECEIPT_KEY;
  return key && createHmac('sha256', key).update(text).digest('base64url');
}
