import { buffer } from 'node:stream/consumers';
import type { ReadStream } from 'node:tty';
import { TenantdError } from '../base/errors.ts';
import { parseSecretName, parseSecretValue } from '../config/secret-values.ts';
import type { Parsed } from '../config/values.ts';
import { askTwice } from './ask-hidden.ts';
import type { Terminal } from './terminal.ts';

export interface ReadSecretOptions {
  name: string;
  keepNewline: boolean;
  terminal: Terminal;
}

/** A name that a secret can have; wrong ones are told before a value is asked for. */
export function checkSecretName(text: string): string {
  return valueOf(parseSecretName(text), `the name ${JSON.stringify(text)}`);
}

/** From a pipe, whole; on a terminal it is asked for twice, and not shown. */
export async function readSecret({ name, keepNewline, terminal }: ReadSecretOptions): Promise<string> {
  const { stdin } = process;
  const value = stdin.isTTY ? await askFor(name, stdin, terminal) : await readWhole(stdin, keepNewline);
  valueOf(parseSecretValue(value), `the value of ${name}`);
  return value;
}

async function askFor(name: string, stdin: ReadStream, { writeErr }: Terminal): Promise<string> {
  const [first, second] = await askTwice(stdin, writeErr, [`Value of ${name} (not shown): `, 'Again: ']);
  if (first === second) return first;
  throw new TenantdError('TENANTD_E_USAGE', 'the two values differ', 'try again, or give it on standard input; nothing was set');
}

/** `echo` and editors end a text with a newline that is not part of it. */
async function readWhole(stdin: NodeJS.ReadStream, keepNewline: boolean): Promise<string> {
  const text = decode(await buffer(stdin));
  return keepNewline ? text : text.replace(/\r?\n$/, '');
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new TenantdError('TENANTD_E_INVALID_VALUE', 'the value is not UTF-8 text', 'encode it, as base64 say');
  }
}

function valueOf<Value>(parsed: Parsed<Value>, what: string): Value {
  if ('value' in parsed) return parsed.value;
  throw new TenantdError('TENANTD_E_INVALID_VALUE', `${what} ${parsed.fault.message}`, parsed.fault.fix);
}
