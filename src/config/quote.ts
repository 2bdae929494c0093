const maxShownCharacters = 60;

/**
 * A value as it is shown in a problem. Others wrote it and an operator's terminal shows it: cut, and with every control,
 * format and separator character (escape sequences, bidirectional overrides) written out.
 */
export function quote(value: unknown): string {
  if (typeof value === 'string') return `"${shorten(value)}"`;
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a mapping';
  return shorten(`${value as number | boolean | null | undefined}`);
}

/** Plain text of others on one line, without quotes. */
export function shorten(text: string, maxCharacters: number = maxShownCharacters): string {
  const oneLine = text.slice(0, 4 * maxCharacters).replaceAll(/\s+/g, ' ');
  const cut = text.length > maxCharacters ? `${oneLine.slice(0, maxCharacters)}…` : oneLine;
  return cut.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

/** `"a", "b", "c" and 9,997 more` */
export function listSome(names: readonly string[], shown = 3): string {
  const first = names.slice(0, shown).map(quote).join(', ');
  return names.length > shown ? `${first} and ${(names.length - shown).toLocaleString('en')} more` : first;
}
