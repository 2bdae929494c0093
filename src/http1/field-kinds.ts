import { nameFold } from './bytes.ts';

/** What the edge must know about a field; numbers, since one is stored for each field of each message. */
export const fieldKind = {
  plain: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  upgrade: 5,
  te: 6,
  expect: 7,
  /** Says something about this connection only (RFC 9110 7.6.1). */
  hop: 8,
  /** Only the edge may set it towards an app: identity and forwarding. */
  edgeOnly: 9,
  requestId: 10,
} as const;

interface KnownName {
  bytes: Uint8Array;
  kind: number;
}

const knownNames: Record<string, number> = {
  host: fieldKind.host,
  'content-length': fieldKind.contentLength,
  'transfer-encoding': fieldKind.transferEncoding,
  connection: fieldKind.connection,
  upgrade: fieldKind.upgrade,
  te: fieldKind.te,
  expect: fieldKind.expect,
  'keep-alive': fieldKind.hop,
  'proxy-connection': fieldKind.hop,
  'http2-settings': fieldKind.hop,
  // CGI makes HTTP_PROXY of it, which programs take for their proxy (CVE-2016-5385).
  proxy: fieldKind.edgeOnly,
  forwarded: fieldKind.edgeOnly,
  'x-real-ip': fieldKind.edgeOnly,
  'x-request-id': fieldKind.requestId,
};

const longestKnownName = Math.max(...Object.keys(knownNames).map((name) => name.length));

const namesByLength: readonly (readonly KnownName[])[] = Array.from({ length: longestKnownName + 1 }, (_, length) =>
  Object.entries(knownNames)
    .filter(([name]) => name.length === length)
    .map(([name, kind]) => ({ bytes: Buffer.from(name), kind })),
);

const edgeOnlyPrefixes = [Buffer.from('x-tenantd-'), Buffer.from('x-forwarded-')];
const letterX = 0x78;

/** The kind of the field whose name is `bytes[start, end)`. */
export function classifyField(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (nameFold[bytes[start] as number] === letterX && hasEdgeOnlyPrefix(bytes, start, length)) return fieldKind.edgeOnly;
  const candidates = length <= longestKnownName ? (namesByLength[length] as readonly KnownName[]) : [];
  for (const { bytes: name, kind } of candidates) {
    if (foldsTo(bytes, start, name)) return isSpelledOut(bytes, start, name) ? kind : fieldKind.edgeOnly;
  }
  return fieldKind.plain;
}

function hasEdgeOnlyPrefix(bytes: Uint8Array, start: number, length: number): boolean {
  for (const prefix of edgeOnlyPrefixes) if (length >= prefix.length && foldsTo(bytes, start, prefix)) return true;
  return false;
}

function foldsTo(bytes: Uint8Array, start: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) if (nameFold[bytes[start + i] as number] !== name[i]) return false;
  return true;
}

/** `content_length` is not Content-Length, but an app may take it for one: such a field is dropped, never obeyed. */
function isSpelledOut(bytes: Uint8Array, start: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) if (name[i] === 0x2d && bytes[start + i] !== 0x2d) return false;
  return true;
}
