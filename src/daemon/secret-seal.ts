import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/**
 * AES-256-GCM (NIST SP 800-38D). What a sealed value is bound to, it opens with only: put in another row, it is refused.
 * Nonces are random: a key seals far fewer than 2^32 values.
 */
const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;

export const dataKeyBytes = 32;
/** What a sealed value is longer than what is in it. */
export const sealBytes = nonceBytes + tagBytes;

type Binding = readonly (string | number)[];

export function seal(key: Uint8Array, plain: Uint8Array, binding: Binding): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes }).setAAD(bytesOf(binding));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Undefined when it was sealed with another key, bound to something else, or changed. */
export function unseal(key: Uint8Array, sealed: Uint8Array, binding: Binding): Buffer | undefined {
  if (sealed.length < sealBytes) return undefined;
  const [nonce, tag] = [sealed.subarray(0, nonceBytes), sealed.subarray(sealed.length - tagBytes)];
  const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes }).setAAD(bytesOf(binding)).setAuthTag(tag);
  const plain = decipher.update(sealed.subarray(nonceBytes, sealed.length - tagBytes));
  try {
    decipher.final();
    return plain;
  } catch {
    plain.fill(0);
    return undefined;
  }
}

/** JSON keeps the parts apart: no two bindings give the same bytes. */
function bytesOf(binding: Binding): Buffer {
  return Buffer.from(JSON.stringify(binding));
}
