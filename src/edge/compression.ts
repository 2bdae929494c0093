import type { Coding } from '../http1/accept-encoding.ts';
import { fieldKind } from '../http1/field-kinds.ts';
import { findField } from '../http1/field-lookup.ts';
import type { ResponseHead } from '../http1/response-head.ts';

/** How the fields of a response's head change. */
export interface FieldChanges {
  /** Which lines of the head go, as indexes into its table. */
  dropped: readonly number[];
  /** Names and values, alternating. */
  added: readonly string[];
}

/** Below this a coding's own bytes and the CPU for it cost more than they save. */
const leastContentBytes = 1_024;

/** No content; a part of some (206), whose bytes were counted before any coding; or what the client has already (304). */
const statusesWithoutContent: ReadonlySet<number> = new Set([204, 205, 206, 304]);

const textTypes: ReadonlySet<string> = new Set(
  [
    ['json', 'xml', 'javascript', 'ecmascript', 'x-javascript', 'wasm', 'json-seq', 'x-ndjson', 'ndjson', 'yaml', 'toml', 'sql'],
    ['graphql', 'rtf', 'x-sh', 'x-www-form-urlencoded', 'vnd.ms-fontobject', 'xml-dtd'],
  ].flatMap((names) => names.map((name) => `application/${name}`)),
);
const otherTextTypes: ReadonlySet<string> = new Set(['font/ttf', 'font/otf', 'image/bmp', 'image/x-icon', 'image/vnd.microsoft.icon']);
const textShape = /^text\/[^\s,]+$|^[^\s,]+\+(?:json|xml|yaml|json-seq)$/;

/** With one of them the app means these very bytes: coded, a part, or with a digest (RFC 9530, RFC 3230, RFC 1864). */
const ownBytesNames = ['content-encoding', 'content-range', 'content-digest', 'repr-digest', 'digest', 'content-md5'];

/**
 * Whether a response's content is compressed for a client that takes a coding. It depends on the response alone, so that all the
 * answers for one URL say `vary` alike. HEAD gets the fields that GET would get.
 */
export function mayCompress(head: ResponseHead): boolean {
  const { status, contentLength } = head;
  if (status < 200 || statusesWithoutContent.has(status)) return false;
  if (contentLength !== -1 && contentLength < leastContentBytes) return false;
  return isText(contentType(head)) && allowsTransformation(head);
}

/** An event stream may stay open for hours, and its coder with it. */
export function isEndless(head: ResponseHead): boolean {
  return contentType(head) === 'text/event-stream';
}

/**
 * The changes for a response that `mayCompress`. `coding` is undefined where its content goes out as it is: to a client that takes
 * none, one of HTTP/1.0, or when the edge has no room; caches must know all the same that others get something else.
 */
export function compressedFields(head: ResponseHead, coding: Coding | undefined): FieldChanges {
  const changes = changeFields(head, coding, changeForCoding);
  if (coding) changes.added.push('content-encoding', coding);
  return changes;
}

/**
 * The changes for a 304, which must name the content that the client has by the same validator (RFC 9110 15.4.5). Undefined where
 * it is of a kind that is never compressed.
 */
export function notModifiedFields(head: ResponseHead, coding: Coding | undefined): FieldChanges | undefined {
  const type = contentType(head);
  // A 304 need not say it.
  if ((type !== '' && !isText(type)) || !allowsTransformation(head)) return undefined;
  return changeFields(head, coding, weakenTag);
}

interface Changes {
  dropped: number[];
  added: string[];
}

function contentType(head: ResponseHead): string {
  const value = findField(head, 'content-type') ?? '';
  const end = value.indexOf(';');
  return (end === -1 ? value : value.slice(0, end)).trim().toLowerCase();
}

function isText(type: string): boolean {
  // gRPC frames and compresses its messages itself.
  if (type.startsWith('application/grpc')) return false;
  return textShape.test(type) || textTypes.has(type) || otherTextTypes.has(type);
}

/** RFC 9110 7.7, RFC 9111 5.2.2.6. */
function allowsTransformation(head: ResponseHead): boolean {
  if (findField(head, 'cache-control')?.toLowerCase().includes('no-transform')) return false;
  return ownBytesNames.every((name) => findField(head, name) === undefined);
}

type ChangeField = (head: ResponseHead, index: number, name: string, changes: Changes) => void;

function changeFields(head: ResponseHead, coding: Coding | undefined, change: ChangeField): Changes {
  const { text, fields } = head;
  const changes: Changes = { dropped: [], added: [] };
  const extendsVary = !variesAlready(findField(head, 'vary'));
  for (let index = 0; index < fields.count; index++) {
    const name = text.slice(fields.nameStart[index], fields.nameEnd[index]).toLowerCase();
    if (coding) change(head, index, name, changes);
    if (extendsVary && name === 'vary') changes.dropped.push(index);
  }
  if (extendsVary) changes.added.push('vary', [findField(head, 'vary'), 'accept-encoding'].filter(Boolean).join(', '));
  return changes;
}

/** RFC 9110 12.5.5. */
function variesAlready(vary: string | undefined): boolean {
  return vary !== undefined && /(?:^|[,\s])(?:\*|accept-encoding)(?:$|[,\s])/i.test(vary);
}

function changeForCoding(head: ResponseHead, index: number, name: string, changes: Changes): void {
  // RFC 9110 14.3: ranges of what is compressed anew for each request can not be had.
  const goes = head.fields.kind[index] === fieldKind.contentLength || name === 'accept-ranges';
  if (goes) changes.dropped.push(index);
  else weakenTag(head, index, name, changes);
}

const strongTag = /^"[!#-~\x80-\xff]*"$/;
const weakTag = /^W\/"/;

/** RFC 9110 8.8.1: the tag now stands for several representations, which are not the same byte for byte. */
function weakenTag({ text, fields }: ResponseHead, index: number, name: string, changes: Changes): void {
  if (name !== 'etag') return;
  const tag = text.slice(fields.valueStart[index], fields.valueEnd[index]);
  if (weakTag.test(tag)) return;
  changes.dropped.push(index);
  if (strongTag.test(tag)) changes.added.push('etag', `W/${tag}`);
}
