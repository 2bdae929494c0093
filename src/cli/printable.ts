import { stripVTControlCharacters } from 'node:util';

/** Control characters (C0, DEL, C1), line separators, and the marks that turn the direction of text around. */
// oxlint-disable-next-line no-control-regex -- they are what it is for
const unprintable = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Text of a tenant's making, fit for an operator's terminal: one line, without colours, and with every character that a
 * terminal would obey shown as an escape (it could move the cursor, set the clipboard or forge lines).
 */
export function printable(text: string): string {
  return stripVTControlCharacters(text.replaceAll('\t', '    ')).replace(unprintable, escapeCharacter);
}

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
}
