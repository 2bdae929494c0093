import { errorCode } from './error-codes.ts';
import { flag, frameType } from './frames.ts';
import { settingBytes } from './client-settings.ts';

/** A connection error. */
export interface Fault {
  readonly code: number;
  readonly reason: string;
}

interface FrameRule {
  /** Whether it belongs to a stream; undefined when it may be either. */
  ofStream: boolean | undefined;
  fits: (length: number, flags: number) => boolean;
}

const any = (): boolean => true;
const exactly = (bytes: number) => (length: number) => length === bytes;
const settingsFit = (length: number, flags: number): boolean => (flags & flag.ack ? length === 0 : length % settingBytes === 0);

/** RFC 9113 6, by type. A PRIORITY frame of another length is a stream error, which is seen to elsewhere. */
const rules = new Map<number, FrameRule>([
  [frameType.headers, { ofStream: true, fits: any }],
  [frameType.priority, { ofStream: true, fits: any }],
  [frameType.rstStream, { ofStream: true, fits: exactly(4) }],
  [frameType.settings, { ofStream: false, fits: settingsFit }],
  [frameType.ping, { ofStream: false, fits: exactly(8) }],
  [frameType.goAway, { ofStream: false, fits: (length) => length >= 8 }],
  [frameType.windowUpdate, { ofStream: undefined, fits: exactly(4) }],
  [frameType.continuation, { ofStream: true, fits: any }],
]);

const wrongStream: Fault = { code: errorCode.protocolError, reason: 'frame on the wrong kind of stream' };
const wrongSize: Fault = { code: errorCode.frameSizeError, reason: 'wrong frame size' };
const pushed: Fault = { code: errorCode.protocolError, reason: 'PUSH_PROMISE of a client' };

/** Whether a frame is wrong whatever came before. */
export function faultOf(type: number, flags: number, streamId: number, length: number): Fault | undefined {
  if (type === frameType.headers) return streamId === 0 ? wrongStream : undefined;
  if (type === frameType.pushPromise) return pushed;
  const rule = rules.get(type);
  if (!rule) return undefined;
  if (rule.ofStream !== undefined && rule.ofStream !== streamId > 0) return wrongStream;
  return rule.fits(length, flags) ? undefined : wrongSize;
}
