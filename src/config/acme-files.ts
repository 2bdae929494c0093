import { access, constants } from 'node:fs/promises';
import type { Problem } from '../base/problem.ts';
import type { AcmeSettings } from './acme-schema.ts';
import { placed } from './placed.ts';
import { readPlainFile, type ReadOptions } from './plain-file.ts';

/** What the files hold that `acme` names. Never to be logged, stored or shown. */
export interface AcmeFiles {
  caPem: string | undefined;
  /** One a directory. */
  macKeys: (string | undefined)[];
  /** In base64. */
  updateKey: string | undefined;
}

const maxFileBytes = 256 << 10;

/** All of them, or the first that can not be used: with half of them nothing is to be ordered. `file`: tenantd.yaml. */
export async function readAcmeFiles(acme: AcmeSettings, file: string): Promise<{ files?: AcmeFiles; problems: Problem[] }> {
  const problems: Problem[] = [];
  const read = async (key: string, path: string | undefined, options: Partial<ReadOptions>): Promise<string | undefined> => {
    if (path === undefined) return undefined;
    const { text, problem } = await readPlainFile(path, { maxBytes: maxFileBytes, followLink: true, rootOnly: true, ...options });
    if (problem) problems.push(placed({ ...problem, message: `\`${key}\`, ${path}: ${problem.message}` }, { file }));
    return text;
  };
  const parse = (key: string, text: string | undefined, parser: (text: string) => string | undefined, fix: string): string | undefined => {
    const value = text === undefined ? undefined : parser(text);
    if (text !== undefined && value === undefined)
      problems.push({ code: 'TENANTD_E_INVALID_VALUE', message: `\`${key}\`: the file does not hold what it should`, fix, file });
    return value;
  };
  const caPem = await read('acme.caFile', acme.caFile, {});
  const macKeys: (string | undefined)[] = [];
  for (const [index, { eab }] of acme.directories.entries()) {
    const key = `acme.directories[${index}].eab.macKeyFile`;
    macKeys.push(parse(key, await read(key, eab?.macKeyFile, { secret: true }), parseMacKey, 'write the MAC key as the CA shows it'));
  }
  const key = 'acme.rfc2136.keyFile';
  const updateKey = parse(
    key,
    await read(key, acme.rfc2136?.keyFile, { secret: true }),
    parseUpdateKey,
    'make one: tsig-keygen -a hmac-sha256',
  );
  return problems.length > 0 ? { problems } : { files: { caPem, macKeys, updateKey }, problems: await findHookFaults(acme, file) };
}

/** base64url (RFC 8555, 7.3.4); some CAs show it with padding. */
function parseMacKey(text: string): string | undefined {
  const key = text.trim().replace(/=+$/, '');
  return /^[\w-]{16,}$/.test(key) ? key : undefined;
}

/** BIND's `key "name" { algorithm hmac-sha256; secret "..."; };`, or the secret alone. */
function parseUpdateKey(text: string): string | undefined {
  const algorithm = /algorithm\s+"?([\w-]+)/i.exec(text)?.[1]?.toLowerCase();
  const secret = /secret\s+"([^"]*)"/i.exec(text)?.[1] ?? text.trim();
  const isSupported = algorithm === undefined || algorithm === 'hmac-sha256';
  return isSupported && /^[A-Za-z0-9+/]{16,}={0,2}$/.test(secret) ? secret : undefined;
}

/** The other ways to prove a name work without it. */
async function findHookFaults({ dnsHook }: AcmeSettings, file: string): Promise<Problem[]> {
  const [program] = dnsHook ?? [];
  if (program === undefined) return [];
  try {
    await access(program, constants.X_OK);
    return [];
  } catch {
    const message = `\`acme.dnsHook\`, ${program}: there is no program that could be run`;
    return [{ code: 'TENANTD_E_FILE_MISSING', message, fix: 'put it there, and make it executable for others than root', file }];
  }
}
