import { valueBytes } from './bytes.ts';
import { type ConnectionOptions, readConnectionOptions } from './connection-options.ts';
import { fieldKind } from './field-kinds.ts';
import { FieldTable, parseFields } from './fields.ts';
import { checkFraming, type Framing, readContentLength, readTransferEncoding } from './framing.ts';
import { maxHeadBytes } from './limits.ts';
import { type Refusal, refusals } from './refusals.ts';

const switchingProtocols = 101;

/** A response head, parsed; filled again and again like RequestHead. */
export class ResponseHead implements Framing, ConnectionOptions {
  text = '';
  status = 0;
  minor = 1;
  fieldsStart = 0;
  contentLength = -1;
  chunked = false;
  close = false;
  keepAlive = false;
  upgrade = false;
  listed: Set<string> | undefined = undefined;
  readonly fields = new FieldTable();
}

/** Parses the head that is `bytes[0, end)`, the empty line included (RFC 9112 4, read strictly). */
export function parseResponseHead(bytes: Buffer, end: number, head: ResponseHead): Refusal | undefined {
  if (end > maxHeadBytes) return refusals.headTooLarge;
  head.contentLength = -1;
  head.chunked = false;
  head.close = false;
  head.keepAlive = false;
  head.upgrade = false;
  head.listed = undefined;
  head.text = bytes.toString('latin1', 0, end);
  return (
    parseStatusLine(bytes, head) ??
    parseFields(bytes, head.fieldsStart, end, head.fields) ??
    readFields(bytes, head) ??
    checkFraming(head) ??
    checkInterim(head)
  );
}

function parseStatusLine(bytes: Uint8Array, head: ResponseHead): Refusal | undefined {
  if (head.text.startsWith('HTTP/1.1 ')) head.minor = 1;
  else if (head.text.startsWith('HTTP/1.0 ')) head.minor = 0;
  else return refusals.statusLine;
  let at = 9;
  head.status = 0;
  for (; at < 12; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return refusals.statusLine;
    head.status = head.status * 10 + digit;
  }
  // Many servers leave out the space that RFC 9112 4 wants before an empty reason.
  if (head.status < 100 || (bytes[at] !== 0x20 && bytes[at] !== 0x0d)) return refusals.statusLine;
  while (valueBytes[bytes[at] as number] === 1) at++;
  if (bytes[at] !== 0x0d && bytes[at] !== 0x0a) return refusals.statusLine;
  if (bytes[at] !== 0x0d || bytes[at + 1] !== 0x0a) return refusals.bareLineEnding;
  head.fieldsStart = at + 2;
  return undefined;
}

/** A 1xx is never the last response (RFC 9110 15.2), and HTTP/1.0 has none: some recipients read on after such a one, some don't. */
function checkInterim(head: ResponseHead): Refusal | undefined {
  const isInterim = head.status < 200 && head.status !== switchingProtocols;
  return isInterim && (head.close || head.minor === 0) ? refusals.interimEnd : undefined;
}

function readFields(bytes: Uint8Array, head: ResponseHead): Refusal | undefined {
  const { kind, count } = head.fields;
  for (let index = 0; index < count; index++) {
    if (kind[index] === fieldKind.plain) continue;
    const refusal = readField(bytes, head, index);
    if (refusal) return refusal;
  }
  return undefined;
}

function readField(bytes: Uint8Array, head: ResponseHead, index: number): Refusal | undefined {
  const start = head.fields.valueStart[index] as number;
  const end = head.fields.valueEnd[index] as number;
  switch (head.fields.kind[index] as number) {
    case fieldKind.contentLength:
      return readContentLength(bytes, start, end, head);
    case fieldKind.transferEncoding:
      return readTransferEncoding(head, index);
    case fieldKind.connection:
      return readConnectionOptions(head.text.slice(start, end), head) ? undefined : refusals.tooManyOptions;
    default:
      return undefined;
  }
}
