import { open } from 'node:fs/promises';
import { errnoOf, TenantdError } from '../base/errors.ts';

/** Where a token was given: never on the command line, where all users of the machine see it. */
export interface TokenPlaces {
  /** Of TENANTD_TOKEN; undefined when it is not set. */
  variable: string | undefined;
  /** Of --token-file. */
  file: string | undefined;
}

/** For who is not root. */
export const howToBeKnown = 'give a token in TENANTD_TOKEN or by --token-file FILE, or run it as root (sudo)';

const maxBytes = 1_024;
const pattern = /^tenantd_[a-z0-9]{6}_[A-Za-z0-9_-]{43}$/;
const makeOne = 'make one with: tenantctl token create --tenant TENANT --role ROLE';

/** Undefined: none was given. What was given and can't be used is an error, for root too: nobody acts as more than was meant. */
export async function findToken({ variable, file }: TokenPlaces): Promise<string | undefined> {
  if (file !== undefined) return parseToken(await readTokenFile(file), file);
  return variable === undefined ? undefined : parseToken(variable, 'TENANTD_TOKEN');
}

function parseToken(text: string, place: string): string {
  const token = text.trim();
  if (pattern.test(token)) return token;
  throw new TenantdError('TENANTD_E_BAD_TOKEN', `${place} holds no token of tenantd`, makeOne);
}

async function readTokenFile(path: string): Promise<string> {
  try {
    await using file = await open(path);
    const { mode } = await file.stat();
    if ((mode & 0o007) !== 0) throw openToAll(path);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(maxBytes));
    return buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    if (error instanceof TenantdError) throw error;
    throw new TenantdError('TENANTD_E_BAD_TOKEN', `${path} can not be read: ${errnoOf(error) ?? 'unknown error'}`, makeOne, {
      cause: error,
    });
  }
}

function openToAll(path: string): TenantdError {
  const message = `${path} can be read or written by everybody on this machine`;
  return new TenantdError('TENANTD_E_BAD_TOKEN', message, `chmod o= ${path}; and revoke its token, which others may have by now`);
}

/** For what a person will read, and may pass on. */
export function withoutTokens(text: string): string {
  return text.replaceAll(/(tenantd_[a-z0-9]{6}_)[A-Za-z0-9_-]+/g, '$1...');
}
