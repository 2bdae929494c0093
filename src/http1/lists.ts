import { space, tab } from './bytes.ts';

/** The elements of a list (RFC 9110 5.6.1) without the blanks around them and without empty ones; undefined when there are more than `most`. */
export function splitList(value: string, most: number): string[] | undefined {
  const parts = value.split(',', most + 1);
  if (parts.length > most) return undefined;
  return parts.map(trimBlanks).filter((part) => part !== '');
}

/** Space and tab only (RFC 9110 5.6.3); `trim` would take a byte 0xa0 for a blank too. */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === space || code === tab;
}
