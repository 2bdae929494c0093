import { readSettings, settingBytes } from './client-settings.ts';
import type { Http2Connection } from './connection.ts';
import { errorCode } from './error-codes.ts';
import { flag, frameType, readUint31 } from './frames.ts';

const noBytes = Buffer.alloc(0);
const priorityBytes = 5;
/** A frame may cross with the end of its stream. */
const strayCost = 1 / 8;

/** Any frame but DATA, HEADERS and CONTINUATION; its size and kind of stream fit its type. */
export function receiveControl(
  connection: Http2Connection,
  type: number,
  flags: number,
  streamId: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  switch (type) {
    case frameType.priority:
      return receivePriority(connection, streamId, bytes, start, end);
    case frameType.rstStream:
      return receiveReset(connection, streamId, readUint31(bytes, start));
    case frameType.settings:
      return receiveSettings(connection, flags, bytes, start, end);
    case frameType.ping:
      return receivePing(connection, flags, bytes.subarray(start, end));
    case frameType.windowUpdate:
      return receiveWindowUpdate(connection, streamId, readUint31(bytes, start));
    case frameType.priorityUpdate:
      return void connection.charge('priorities', 1);
    default:
      // GOAWAY too: a server that opens no streams has nothing to do about it.
      connection.charge('uselessFrames', 1);
  }
}

/** RFC 9113 6.5. */
function receiveSettings(connection: Http2Connection, flags: number, bytes: Buffer, start: number, end: number): void {
  const { sender, streams } = connection;
  // CVE-2019-9515
  if (!connection.charge('settings', 1 + (end - start) / settingBytes) || (flags & flag.ack) !== 0) return;
  const { fault, initialWindow, headerTableBytes, leastHeaderTableBytes } = readSettings(bytes, start, end);
  if (fault !== undefined) return connection.close(fault, 'invalid setting');
  if (leastHeaderTableBytes !== undefined) sender.heads.encoder.limitTable(leastHeaderTableBytes);
  if (headerTableBytes !== undefined) sender.heads.encoder.limitTable(headerTableBytes);
  if (initialWindow !== undefined && !sender.setInitialWindow(initialWindow, streams.all()))
    return connection.close(errorCode.flowControlError, 'window too large');
  sender.frame(frameType.settings, flag.ack, noBytes);
  sender.sendWaiting();
}

/** RFC 9113 6.7. */
function receivePing(connection: Http2Connection, flags: number, payload: Buffer): void {
  // CVE-2019-9512
  if (!connection.charge('pings', 1)) return;
  if ((flags & flag.ack) !== 0) connection.onRoundTrip(payload);
  else connection.sender.frame(frameType.ping, flag.ack, payload);
}

/** RFC 9113 5.3: checked, and not followed. */
function receivePriority(connection: Http2Connection, streamId: number, bytes: Buffer, start: number, end: number): void {
  if (!connection.charge('priorities', 1)) return;
  if (end - start !== priorityBytes) connection.refuse(streamId, errorCode.frameSizeError, 'wrong frame size');
  else if (readUint31(bytes, start) === streamId) connection.refuse(streamId, errorCode.protocolError, 'a stream depends on itself');
}

/** RFC 9113 6.4. */
function receiveReset(connection: Http2Connection, streamId: number, code: number): void {
  const stream = connection.streams.get(streamId);
  if (!stream) return receiveStray(connection, streamId);
  // CVE-2023-44487. After the whole response it costs nothing.
  if (!stream.endSent && !connection.charge('resets', 1)) return;
  connection.remove(stream);
  stream.receiver.onReset(stream, code);
}

/** RFC 9113 6.9. */
function receiveWindowUpdate(connection: Http2Connection, streamId: number, increment: number): void {
  if (!connection.charge('windowUpdates', 1)) return;
  const stream = connection.streams.get(streamId);
  if (streamId !== 0 && !stream && connection.streams.stateOf(streamId) !== 'idle') return;
  if (streamId !== 0 && !stream) return receiveStray(connection, streamId);
  if (increment === 0) return connection.refuse(streamId, errorCode.protocolError, 'window increment of 0');
  if (!connection.sender.widen(stream, increment)) connection.refuse(streamId, errorCode.flowControlError, 'window too large');
}

/** A frame for a stream that is not open (RFC 9113 5.1). One that changes nothing is no error after the stream's end. */
function receiveStray(connection: Http2Connection, streamId: number): void {
  if (connection.streams.stateOf(streamId) === 'idle') connection.close(errorCode.protocolError, 'frame on an idle stream');
  else connection.charge('uselessFrames', strayCost);
}

/** DATA or HEADERS for a stream that is not open: an error, unless the client did not know yet that we had reset it. */
export function receiveForClosed(connection: Http2Connection, streamId: number): void {
  if (connection.streams.stateOf(streamId) === 'closed') connection.close(errorCode.streamClosed, 'frame on a closed stream');
  else receiveStray(connection, streamId);
}
