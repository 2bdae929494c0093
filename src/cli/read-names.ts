import { open } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { errnoOf, messageOf, TenantdError } from '../base/errors.ts';
import { parseDomainName } from '../config/domain-name.ts';
import { quote } from '../config/quote.ts';
import { parseDomain } from './references.ts';

const shownFaults = 5;

/** The domains of the arguments and of `--from FILE`, each once. Throws when one is none, and when there are none at all. */
export async function readNames(args: readonly string[], from: string | undefined): Promise<string[]> {
  const ofFile = from === undefined ? [] : parseNameLines(await readText(from), from === '-' ? 'standard input' : from);
  const names = [...new Set([...args.map(parseDomain), ...ofFile])];
  if (names.length === 0)
    throw new TenantdError('TENANTD_E_USAGE', 'no domain was given', 'name domains, or a file of them by --from FILE');
  return names;
}

/** One name a line; `#` begins a comment. All lines that are wrong are told at once, by number. */
export function parseNameLines(content: string, file: string): string[] {
  const names: string[] = [];
  const faults: string[] = [];
  for (const [index, line] of content
    .replace(/^\u{feff}/u, '')
    .split(/\r?\n/)
    .entries()) {
    const name = line.replace(/(?:^|\s)#.*$/, '').trim();
    if (name === '') continue;
    const parsed = parseDomainName(name);
    if ('value' in parsed) names.push(parsed.value);
    else faults.push(`line ${index + 1}: ${quote(name)} ${parsed.fault.message}`);
  }
  if (faults.length > 0) throw badLines(file, faults);
  if (names.length === 0) throw new TenantdError('TENANTD_E_FILE_EMPTY', `there is no name in ${file}`, 'write one name a line');
  return names;
}

function badLines(file: string, faults: readonly string[]): TenantdError {
  const more = faults.length > shownFaults ? `; and ${faults.length - shownFaults} more` : '';
  const message = `${file}, ${faults.slice(0, shownFaults).join('; ')}${more}`;
  return new TenantdError('TENANTD_E_BAD_DOMAIN', message, 'write one name a line, "#" begins a comment; nothing was changed');
}

async function readText(file: string): Promise<string> {
  if (file === '-') return await text(process.stdin);
  try {
    await using handle = await open(file);
    return await handle.readFile('utf8');
  } catch (error) {
    const code = errnoOf(error) === 'ENOENT' ? 'TENANTD_E_FILE_MISSING' : 'TENANTD_E_FILE_UNREADABLE';
    throw new TenantdError(code, `${file} can not be read: ${messageOf(error)}`, 'give --from a file with one name a line, or - for stdin');
  }
}
