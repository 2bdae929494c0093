import type { Http2Connection } from './connection.ts';
import { DecoderTable } from './decoder-table.ts';
import { errorCode } from './error-codes.ts';
import { receiveForClosed } from './control-frames.ts';
import type { BlockHandler } from './header-blocks.ts';
import { fitsLength } from './incoming-data.ts';
import type { RequestFields } from './request-fields.ts';
import { Http2Stream } from './stream.ts';

/**
 * Makes requests and trailer sections of field blocks (RFC 9113 8.1).
 *
 * Invariant: each block is decoded, also those of streams that are refused or over: the header table depends on every one.
 */
export class Requests implements BlockHandler {
  private readonly connection: Http2Connection;
  private readonly table = new DecoderTable();

  constructor(connection: Http2Connection) {
    this.connection = connection;
  }

  onFault(code: number, reason: string): void {
    this.connection.close(code, reason);
  }

  onUseless(): void {
    this.connection.charge('uselessFrames', 1);
  }

  onBlock(streamId: number, bytes: Buffer, start: number, end: number, endStream: boolean, selfDependent: boolean): void {
    const { connection } = this;
    const { decoder, fields, limits } = connection.context;
    fields.clear();
    if (!decoder.decode(bytes, start, end, this.table, fields))
      return connection.close(errorCode.compressionError, 'malformed field block');
    if (fields.bytes > limits.fieldSectionHardBytes) return connection.close(errorCode.enhanceYourCalm, 'field section too large');
    if (selfDependent) fields.malformed = true;
    const stream = connection.streams.get(streamId);
    if (stream) this.endByTrailers(stream, fields, endStream);
    else if (streamId > connection.streams.lastId) this.begin(streamId, fields, endStream);
    else receiveForClosed(connection, streamId);
  }

  private begin(streamId: number, fields: RequestFields, endStream: boolean): void {
    const { connection } = this;
    const { streams, context } = connection;
    // RFC 9113 5.1.1: clients have the odd ids.
    if (streamId % 2 === 0) return connection.close(errorCode.protocolError, 'even stream id');
    streams.lastId = streamId;
    if (connection.refusing) return connection.refuse(streamId, errorCode.refusedStream, 'shutting down');
    streams.lastServedId = streamId;
    if (streams.size >= context.limits.concurrentStreams) return connection.refuse(streamId, errorCode.refusedStream, 'too many streams');
    const malformed = !fields.finishRequest() || (endStream && fields.contentLength > 0);
    if (malformed) return connection.refuse(streamId, errorCode.protocolError, 'malformed request');
    const stream = new Http2Stream(connection, streamId, context.limits.streamWindowBytes, connection.sender.initialWindow);
    describe(stream, fields);
    stream.requestEnded = endStream;
    streams.add(stream);
    connection.owner.onRequest(stream);
  }

  private endByTrailers(stream: Http2Stream, fields: RequestFields, endStream: boolean): void {
    const { connection } = this;
    if (stream.requestEnded) return connection.refuse(stream.id, errorCode.streamClosed, 'HEADERS after the end');
    const valid = endStream && fields.finishTrailers() && !fields.tooLarge && fitsLength(stream, true);
    if (!valid) return connection.refuse(stream.id, errorCode.protocolError, 'malformed trailers');
    stream.requestEnded = true;
    stream.receiver.onTrailers(stream, fields.lines);
    connection.onRequestEnd(stream);
  }
}

function describe(stream: Http2Stream, fields: RequestFields): void {
  stream.method = fields.method;
  stream.scheme = fields.scheme;
  stream.authority = fields.authority;
  stream.path = fields.path;
  stream.fieldLines = fields.lines;
  stream.contentLength = fields.contentLength;
  stream.fieldsTooLarge = fields.tooLarge;
}
