import { loaderVariables } from '../base/loader-variables.ts';
import type { Parsed } from './values.ts';

export const maxSecretBytes = 64 << 10;

/** Of an app's environment as it is started with (INTERFACE 4), and what Node itself reads from there. */
const ownNames =
  /^(?:PATH|HOME|LANG|TZ|PORT|TENANTD_.*|NODE_(?:ENV|OPTIONS|PATH|EXTRA_CA_CERTS|TLS_REJECT_UNAUTHORIZED|COMPILE_CACHE|V8_COVERAGE))$/;

/** A secret is a variable of the environment and a file: its name must be good for both. */
export function parseSecretName(text: string): Parsed<string> {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(text))
    return { fault: { message: 'must be letters, digits and "_", at most 64 of them', fix: 'name it like DATABASE_URL' } };
  if (ownNames.test(text)) return { fault: { message: 'is set by tenantd, or read by Node', fix: 'name it otherwise' } };
  if (loaderVariables.test(text)) return { fault: { message: 'changes how programs are loaded', fix: 'name it otherwise' } };
  return { value: text };
}

/** Says what is wrong with a value, never what it is. */
export function parseSecretValue(text: string): Parsed<Buffer> {
  if (text === '') return { fault: { message: 'is empty', fix: 'give the value on standard input, or remove the secret' } };
  if (!text.isWellFormed() || text.includes('\0'))
    return { fault: { message: 'must be UTF-8 text without a zero character', fix: 'encode it, as base64 say' } };
  const value = Buffer.from(text);
  if (value.length <= maxSecretBytes) return { value };
  value.fill(0);
  return { fault: { message: `must have at most ${maxSecretBytes >> 10} KiB`, fix: 'put what is large elsewhere, encrypted with it' } };
}
