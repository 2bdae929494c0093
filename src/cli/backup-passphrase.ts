import { readFile } from 'node:fs/promises';
import { messageOf, TenantdError } from '../base/errors.ts';
import { askHidden } from './ask-hidden.ts';
import type { Terminal } from './terminal.ts';

export interface PassphraseOptions {
  passphraseFile?: string;
  /** False: it is not asked for. */
  passphrase?: boolean;
}

const maxCharacters = 1_024;

/** For a new backup: from a file, or asked for twice; undefined for none. */
export async function newPassphrase(options: PassphraseOptions, terminal: Terminal): Promise<string | undefined> {
  const { stdin } = process;
  if (options.passphraseFile !== undefined) return readPassphrase(options.passphraseFile);
  if (options.passphrase === false || !stdin.isTTY) return undefined;
  const [first, second] = await askHidden(stdin, terminal.writeErr, ['Passphrase (not shown; empty for none): ', 'Again: ']);
  if (first === second) return first === '' ? undefined : first;
  throw new TenantdError('TENANTD_E_USAGE', 'the two passphrases differ', 'try again; nothing was written');
}

/** Of a backup that has one. `-` as its file: standard input is not there to be asked. */
export async function knownPassphrase(options: PassphraseOptions, fromStdin: boolean, terminal: Terminal): Promise<string | undefined> {
  const { stdin } = process;
  if (options.passphraseFile !== undefined) return readPassphrase(options.passphraseFile);
  if (fromStdin || !stdin.isTTY) return undefined;
  return (await askHidden(stdin, terminal.writeErr, ['Passphrase of the backup (not shown): ']))[0];
}

/** Without the newline that editors end it with. */
async function readPassphrase(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new TenantdError('TENANTD_E_USAGE', `the passphrase can not be read: ${messageOf(error)}`, 'name a file that has it');
  });
  const passphrase = text.replace(/\r?\n$/, '');
  if (passphrase !== '' && passphrase.length <= maxCharacters) return passphrase;
  throw new TenantdError('TENANTD_E_USAGE', `${file} has no passphrase of 1 to ${maxCharacters} characters`, 'write one into it');
}
