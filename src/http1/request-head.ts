import { type Authority, parseAuthority } from './authority.ts';
import { type ConnectionOptions, readConnectionOptions } from './connection-options.ts';
import { fieldKind } from './field-kinds.ts';
import { FieldTable, parseFields } from './fields.ts';
import { checkFraming, type Framing, readContentLength, readTransferEncoding } from './framing.ts';
import { maxCodings, maxHeadBytes } from './limits.ts';
import { splitList } from './lists.ts';
import { type Refusal, refusals } from './refusals.ts';
import { parseRequestLine, type RequestLine } from './request-line.ts';
import { resolveTarget } from './request-target.ts';

/**
 * A request head, parsed. One object is filled again and again and is good until the next parse: whoever needs more of it later
 * takes a copy of just that.
 */
export class RequestHead implements RequestLine, Authority, Framing, ConnectionOptions {
  /** The whole head, byte for byte (latin1). */
  text = '';
  method = '';
  /** In origin form (`/path?query`), or `*`. */
  target = '';
  targetStart = 0;
  targetEnd = 0;
  minor = 1;
  fieldsStart = 0;
  host = '';
  port = '';
  /** `host[:port]` as sent; the target's, when that was in absolute form. */
  authority = '';
  absoluteForm = false;
  contentLength = -1;
  chunked = false;
  close = false;
  keepAlive = false;
  upgrade = false;
  listed: Set<string> | undefined = undefined;
  /** The value of Upgrade, lower case. */
  upgradeTo = '';
  /** TE says that trailers are wanted. */
  trailers = false;
  hosts = 0;
  readonly fields = new FieldTable();
}

/** Parses the head that is `bytes[0, end)`, the empty line included (RFC 9112, read strictly). */
export function parseRequestHead(bytes: Buffer, end: number, head: RequestHead): Refusal | undefined {
  if (end > maxHeadBytes) return refusals.headTooLarge;
  clear(head);
  head.text = bytes.toString('latin1', 0, end);
  return (
    parseRequestLine(bytes, head.text, head) ??
    refuseMethod(head.method) ??
    parseFields(bytes, head.fieldsStart, end, head.fields) ??
    readFields(bytes, head) ??
    resolveTarget(bytes, head) ??
    checkHost(head) ??
    checkFraming(head)
  );
}

function clear(head: RequestHead): void {
  head.host = '';
  head.port = '';
  head.authority = '';
  head.absoluteForm = false;
  head.contentLength = -1;
  head.chunked = false;
  head.close = false;
  head.keepAlive = false;
  head.upgrade = false;
  head.listed = undefined;
  head.upgradeTo = '';
  head.trailers = false;
  head.hosts = 0;
}

/** PRI is the beginning of HTTP/2 (RFC 9113 3.4), and no method of HTTP/1. */
function refuseMethod(method: string): Refusal | undefined {
  return method === 'CONNECT' || method === 'TRACE' || method === 'PRI' ? refusals.methodNotAllowed : undefined;
}

function readFields(bytes: Uint8Array, head: RequestHead): Refusal | undefined {
  const { kind, count } = head.fields;
  for (let index = 0; index < count; index++) {
    if (kind[index] === fieldKind.plain) continue;
    const refusal = readField(bytes, head, index);
    if (refusal) return refusal;
  }
  return undefined;
}

function readField(bytes: Uint8Array, head: RequestHead, index: number): Refusal | undefined {
  const start = head.fields.valueStart[index] as number;
  const end = head.fields.valueEnd[index] as number;
  switch (head.fields.kind[index] as number) {
    case fieldKind.host:
      return readHost(bytes, head, start, end);
    case fieldKind.contentLength:
      return readContentLength(bytes, start, end, head);
    case fieldKind.transferEncoding:
      return readTransferEncoding(head, index);
    case fieldKind.connection:
      return readConnectionOptions(head.text.slice(start, end), head) ? undefined : refusals.tooManyOptions;
    case fieldKind.upgrade:
      head.upgradeTo += `${head.upgradeTo && ','}${head.text.slice(start, end).toLowerCase()}`;
      return undefined;
    case fieldKind.te:
      // RFC 9110 10.1.4. Of the rest of TE nothing is of use: no other transfer coding is known.
      head.trailers ||= splitList(head.text.slice(start, end).toLowerCase(), maxCodings)?.includes('trailers') === true;
      return undefined;
    default:
      return undefined;
  }
}

function readHost(bytes: Uint8Array, head: RequestHead, start: number, end: number): Refusal | undefined {
  if (++head.hosts > 1) return refusals.severalHosts;
  if (!parseAuthority(bytes, head.text, start, end, head)) return refusals.host;
  head.authority = head.text.slice(start, end);
  return undefined;
}

/** RFC 9112 3.2: an HTTP/1.1 request without Host is a 400, also when its target names the host. */
function checkHost(head: RequestHead): Refusal | undefined {
  return head.minor === 1 && head.hosts === 0 ? refusals.noHost : undefined;
}
