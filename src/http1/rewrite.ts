import { fieldKind } from './field-kinds.ts';
import type { FieldTable } from './fields.ts';
import type { RequestHead } from './request-head.ts';
import type { ResponseHead } from './response-head.ts';

/** A head to copy fields from. */
interface Source {
  text: string;
  fieldsStart: number;
  listed: Set<string> | undefined;
  fields: FieldTable;
}

const forbiddenUpgrades = /(^|[\s,])(h2|http|tls)/;

/**
 * Whether the client asks for another protocol that the app may answer with a tunnel. `h2c` and other versions of HTTP are not
 * passed on (RFC 9110 7.8 lets a server ignore them): inside such a tunnel requests would get by the edge unseen.
 */
export function wantsUpgrade(head: RequestHead): boolean {
  return head.upgrade && head.minor === 1 && head.upgradeTo !== '' && !forbiddenUpgrades.test(head.upgradeTo);
}

/**
 * The head for the app: fields of this hop and those that only the edge may set are gone (RFC 9110 7.6.1), `added` (whole field
 * lines) is appended. Runs of kept lines are copied as they are, so that an ordinary request costs two or three slices.
 */
export function rewriteRequestHead(head: RequestHead, added: string): string {
  const upgrade = wantsUpgrade(head);
  const sameLine = head.minor === 1 && !head.absoluteForm;
  const line = sameLine ? '' : `${head.method} ${head.target} HTTP/1.1\r\n${head.absoluteForm ? `host: ${head.authority}\r\n` : ''}`;
  const kept = copyFields(head, sameLine ? 0 : head.fieldsStart, (kind) => keepsInRequest(head, kind, upgrade));
  return `${line}${kept}${requestOptions(upgrade, head.trailers && head.minor === 1)}${added}\r\n`;
}

function keepsInRequest(head: RequestHead, kind: number, upgrade: boolean): boolean {
  switch (kind) {
    case fieldKind.host:
      return !head.absoluteForm;
    case fieldKind.contentLength:
    case fieldKind.transferEncoding:
      return true;
    case fieldKind.expect:
      // RFC 9110 10.1.1: a server must ignore it in an HTTP/1.0 request.
      return head.minor === 1;
    case fieldKind.upgrade:
      return upgrade;
    default:
      return false;
  }
}

/** TE is of this hop (RFC 9110 10.1.4), so it is written anew: that the client takes trailers holds for its whole way. */
function requestOptions(upgrade: boolean, trailers: boolean): string {
  if (upgrade) return 'connection: upgrade\r\n';
  return trailers ? 'te: trailers\r\nconnection: te\r\n' : '';
}

/** What the status and the client allow of a response's framing fields. */
export interface ResponseFields {
  contentLength: boolean;
  transferEncoding: boolean;
  upgrade: boolean;
  /** Whole field lines. */
  added: string;
}

/** The head for the client. Its version is always our own (RFC 9110 6.2). */
export function rewriteResponseHead(head: ResponseHead, fields: ResponseFields): string {
  const sameLine = head.minor === 1;
  const line = sameLine ? '' : `HTTP/1.1${head.text.slice(8, head.fieldsStart)}`;
  const kept = copyFields(head, sameLine ? 0 : head.fieldsStart, (kind) => keepsInResponse(kind, fields));
  return `${line}${kept}${fields.added}\r\n`;
}

function keepsInResponse(kind: number, fields: ResponseFields): boolean {
  switch (kind) {
    case fieldKind.contentLength:
      return fields.contentLength;
    case fieldKind.transferEncoding:
      return fields.transferEncoding;
    case fieldKind.upgrade:
      return fields.upgrade;
    // These names mean something in a request only.
    case fieldKind.edgeOnly:
    case fieldKind.host:
    case fieldKind.te:
    case fieldKind.expect:
      return true;
    default:
      return false;
  }
}

/** The text from `from` on, without the lines of dropped fields and without the last empty line. */
function copyFields(source: Source, from: number, keeps: (kind: number) => boolean): string {
  const { text, fields, listed } = source;
  let out = '';
  let runStart = from;
  for (let index = 0; index < fields.count; index++) {
    const kind = fields.kind[index] as number;
    const kept = kind === fieldKind.plain ? listed === undefined || !isListed(source, index) : keeps(kind);
    if (kept) continue;
    const lineStart = fields.nameStart[index] as number;
    if (lineStart > runStart) out += text.slice(runStart, lineStart);
    runStart = fields.lineEnd[index] as number;
  }
  return out + text.slice(runStart, text.length - 2);
}

/** Only plain fields can be named by Connection: naming Content-Length must not take a message's end away. */
function isListed({ text, fields, listed }: Source, index: number): boolean {
  return listed?.has(text.slice(fields.nameStart[index], fields.nameEnd[index]).toLowerCase()) === true;
}
