/** What a field is in a request; numbers, since one is looked at for each field of each request. */
export const fieldKind = {
  plain: 0,
  method: 1,
  scheme: 2,
  authority: 3,
  path: 4,
  host: 5,
  contentLength: 6,
  cookie: 7,
  te: 8,
  /** Makes the whole request malformed (RFC 9113 8.1.1). */
  malformed: 9,
} as const;

/**
 * A field, with all that a request needs to know of it: it is worked out once, when the field comes, so that a field repeated through
 * the dynamic table costs a lookup.
 */
export interface FieldEntry {
  readonly name: string;
  readonly nameKind: number;
  readonly value: string;
  readonly kind: number;
  /** As a line of HTTP/1.1. */
  readonly line: string;
  /** RFC 7541 4.1. */
  readonly size: number;
}

const knownNames = new Map<string, number>([
  [':method', fieldKind.method],
  [':scheme', fieldKind.scheme],
  [':authority', fieldKind.authority],
  [':path', fieldKind.path],
  ['host', fieldKind.host],
  ['content-length', fieldKind.contentLength],
  ['cookie', fieldKind.cookie],
  ['te', fieldKind.te],
  // RFC 9113 8.2.2: fields of one connection. The next hop would obey them.
  ['connection', fieldKind.malformed],
  ['proxy-connection', fieldKind.malformed],
  ['keep-alive', fieldKind.malformed],
  ['transfer-encoding', fieldKind.malformed],
  ['upgrade', fieldKind.malformed],
]);

const entryOverheadBytes = 32;

export function makeEntry(name: string, nameKind: number, value: string): FieldEntry {
  const kind = classify(nameKind, value);
  return { name, nameKind, value, kind, line: `${name}: ${value}\r\n`, size: name.length + value.length + entryOverheadBytes };
}

/** RFC 9113 8.2.1: a token in lower case; a pseudo-header field is one of those we know (8.3). */
export function classifyName(name: string): number {
  return knownNames.get(name) ?? (consistsOf(name, lowerTokenBytes) && name !== '' ? fieldKind.plain : fieldKind.malformed);
}

function classify(nameKind: number, value: string): number {
  const legal = isFieldValue(value) && isLegalFor(nameKind, value);
  if (!legal) return fieldKind.malformed;
  return nameKind === fieldKind.te ? fieldKind.plain : nameKind;
}

const methodForm = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const schemeForm = /^[A-Za-z][A-Za-z0-9+\-.]*$/;
/** No userinfo (RFC 9113 8.3.1), and nothing that would end an authority. */
const authorityForm = /^[^ \t/?#@\\]+$/;
const pathForm = /^(?:\/[^ \t]*|\*)$/;
const lengthForm = /^[0-9]{1,15}$/;

function isLegalFor(nameKind: number, value: string): boolean {
  switch (nameKind) {
    case fieldKind.method:
      return methodForm.test(value);
    case fieldKind.scheme:
      return schemeForm.test(value);
    case fieldKind.authority:
    case fieldKind.host:
      return authorityForm.test(value);
    case fieldKind.path:
      return pathForm.test(value);
    case fieldKind.contentLength:
      return lengthForm.test(value);
    case fieldKind.te:
      return value === 'trailers';
    default:
      return true;
  }
}

const space = 0x20;
const tab = 0x09;
const lowerTokenBytes = Uint8Array.from({ length: 256 }, (_, code) => (/[a-z0-9!#$%&'*+\-.^_`|~]/.test(String.fromCharCode(code)) ? 1 : 0));
const valueBytes = Uint8Array.from({ length: 256 }, (_, code) => (code === tab || (code >= space && code !== 0x7f) ? 1 : 0));

/** RFC 9113 8.2.1, and no control characters at all; no whitespace at either end. */
function isFieldValue(value: string): boolean {
  if (value === '') return true;
  return !isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(value.length - 1)) && consistsOf(value, valueBytes);
}

function isBlank(code: number): boolean {
  return code === space || code === tab;
}

function consistsOf(text: string, allowed: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (allowed[text.charCodeAt(i)] !== 1) return false;
  return true;
}
