import type { FieldTable } from './fields.ts';

/** RequestHead or ResponseHead. */
interface FieldSource {
  text: string;
  fields: FieldTable;
}

/**
 * The value of the field of that name, which is given in lower case; undefined when there is none. The values of several are joined
 * by ", " (RFC 9110 5.3), which is wrong for Set-Cookie alone. A miss allocates nothing.
 */
export function findField(head: FieldSource, name: string): string | undefined {
  const { text, fields } = head;
  let found: string | undefined;
  for (let index = 0; index < fields.count; index++) {
    if (!isNamed(head, index, name)) continue;
    const value = text.slice(fields.valueStart[index], fields.valueEnd[index]);
    found = found === undefined ? value : `${found}, ${value}`;
  }
  return found;
}

function isNamed({ text, fields }: FieldSource, index: number, name: string): boolean {
  const start = fields.nameStart[index] as number;
  if ((fields.nameEnd[index] as number) - start !== name.length) return false;
  for (let at = 0; at < name.length; at++) if (lowerCase(text.charCodeAt(start + at)) !== name.charCodeAt(at)) return false;
  return true;
}

function lowerCase(code: number): number {
  return code >= 0x41 && code <= 0x5a ? code + 0x20 : code;
}
