import { type BodyReader, LengthBody, noBody, UntilCloseBody } from '../../../src/http1/body.ts';
import { ChunkedBody } from '../../../src/http1/chunked-body.ts';
import type { FieldTable } from '../../../src/http1/fields.ts';
import { findHeadEnd, refuseIncompleteHead, skipEmptyLines } from '../../../src/http1/head-end.ts';
import { maxHeadBytes } from '../../../src/http1/limits.ts';
import { parseRequestHead, RequestHead } from '../../../src/http1/request-head.ts';
import { parseResponseHead, ResponseHead } from '../../../src/http1/response-head.ts';
import { refusals } from '../../../src/http1/refusals.ts';
import { rewriteRequestHead, rewriteResponseHead } from '../../../src/http1/rewrite.ts';
import { isBodyless, type Message, type Reading, type Stream } from './reading.ts';

/** What the edge adds stands for itself; one field is enough here. */
export const addedField = 'x-request-id: added\r\n';

const requestHead = new RequestHead();
const responseHead = new ResponseHead();

/** Reads a stream as the edge does: heads and bodies by turns, from pieces of any size. */
export class OurReading implements Reading {
  readonly messages: Message[] = [];
  /** What goes on to the other side, a text for each message. */
  readonly forwarded: string[] = [];
  fault: string | undefined = undefined;
  stopped = false;
  private readonly stream: Stream;
  private pending: Buffer = Buffer.alloc(0);
  private searchFrom = 0;
  private consumed = 0;
  private body: BodyReader | undefined = undefined;
  private content: string[] = [];

  constructor(stream: Stream) {
    this.stream = stream;
  }

  receive(bytes: Buffer): this {
    this.pending = this.pending.length === 0 ? bytes : Buffer.concat([this.pending, bytes]);
    while (this.pending.length > 0 && this.fault === undefined && !this.stopped) {
      if (!(this.body ? this.readBody(this.body) : this.readHead())) break;
    }
    return this;
  }

  private readHead(): boolean {
    if (this.stream.kind === 'request') this.consume(skipEmptyLines(this.pending));
    const end = findHeadEnd(this.pending, this.searchFrom);
    if (end === -1) return this.waitForHead();
    this.searchFrom = 0;
    const refusal =
      this.stream.kind === 'request'
        ? parseRequestHead(this.pending, end, requestHead)
        : parseResponseHead(this.pending, end, responseHead);
    this.fault = refusal?.reason;
    if (refusal) return false;
    this.consume(end);
    if (this.stream.kind === 'request') this.beginRequest();
    else this.beginResponse();
    return this.body?.done === true ? this.endMessage() : true;
  }

  private waitForHead(): false {
    const bytes = this.pending;
    if (this.stream.kind === 'request') this.fault = bytes.length === 0 ? undefined : refuseIncompleteHead(bytes)?.reason;
    else if (bytes.length > maxHeadBytes) this.fault = refusals.headTooLarge.reason;
    this.searchFrom = Math.max(0, bytes.length - 3);
    return false;
  }

  private beginRequest(): void {
    const head = requestHead;
    const target = head.text.slice(head.targetStart, head.targetEnd);
    const keepAlive = !head.close && (head.minor === 1 || head.keepAlive);
    this.add(`${head.method} ${target} ${head.minor}`, head.host, fieldsOf(head.text, head.fields), keepAlive, false);
    this.forwarded.push(head.host === '' ? '' : rewriteRequestHead(head, addedField));
    this.body = this.bodyFor(head.chunked, head.contentLength > 0 ? head.contentLength : 0);
  }

  private beginResponse(): void {
    const head = responseHead;
    const bodyless = isBodyless(head.status, this.stream.toHead);
    const untilClose = !bodyless && !head.chunked && head.contentLength === -1;
    const keepAlive = head.status < 200 || (!untilClose && !head.close && (head.minor === 1 || head.keepAlive));
    this.add(`${head.status} ${head.minor}`, '', fieldsOf(head.text, head.fields), keepAlive, bodyless);
    const framed = head.status >= 200 && head.status !== 204;
    const upgrade = head.status === 101;
    this.forwarded.push(
      rewriteResponseHead(head, {
        contentLength: framed,
        transferEncoding: framed,
        upgrade,
        added: `${addedField}${upgrade ? 'connection: upgrade\r\n' : ''}`,
      }),
    );
    this.body = bodyless ? noBody : untilClose ? new UntilCloseBody() : this.bodyFor(head.chunked, head.contentLength);
    this.stopped = upgrade;
  }

  private add(line: string, host: string, fields: string[], keepAlive: boolean, bodyless: boolean): void {
    this.messages.push({ line, host, fields, keepAlive, bodyless, headEnd: this.consumed, content: '', trailers: [], end: -1 });
  }

  private bodyFor(chunked: boolean, length: number): BodyReader {
    if (chunked) return new ChunkedBody((bytes) => this.content.push(bytes.toString('latin1')));
    return length === 0 ? noBody : new LengthBody(length);
  }

  private readBody(body: BodyReader): boolean {
    const message = this.messages.at(-1) as Message;
    const bytes = this.pending;
    const taken = body.take(bytes);
    this.consume(taken);
    this.fault = body.fault;
    const passed = bytes.toString('latin1', 0, body.passEnd);
    message.content += body instanceof ChunkedBody ? this.content.splice(0).join('') : passed;
    if (body.fault !== undefined) return false;
    this.forwarded.push(`${this.forwarded.pop() ?? ''}${passed}${body.tail}`);
    if (!body.done) return taken > 0;
    if (body.tail !== '') message.trailers = body.tail.split('\r\n').filter(Boolean).flatMap(splitField);
    return this.endMessage();
  }

  private endMessage(): boolean {
    const message = this.messages.at(-1) as Message;
    message.end = this.consumed;
    this.body = undefined;
    this.stopped ||= !message.keepAlive || (this.stream.kind === 'request' && requestHead.upgrade && requestHead.upgradeTo !== '');
    return true;
  }

  private consume(bytes: number): void {
    this.consumed += bytes;
    this.pending = this.pending.subarray(bytes);
  }
}

function splitField(line: string): string[] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).replaceAll(/^[ \t]+|[ \t]+$/g, '')];
}

function fieldsOf(text: string, table: FieldTable): string[] {
  const fields: string[] = [];
  for (let index = 0; index < table.count; index++) {
    fields.push(text.slice(table.nameStart[index], table.nameEnd[index]), text.slice(table.valueStart[index], table.valueEnd[index]));
  }
  return fields;
}
