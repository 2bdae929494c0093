import { errorCode } from './error-codes.ts';
import { maxFrameBytes, maxWindowBytes, readUint32 } from './frames.ts';

/** RFC 9113 6.5.2; the last one is RFC 9218 2.1. */
export const setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  noRfc7540Priorities: 9,
} as const;

export const settingBytes = 6;
const largestFrameBytes = 0xffffff;

/** What of a client's SETTINGS concerns us; undefined where it said nothing. */
export interface ClientSettings {
  headerTableBytes: number | undefined;
  /** The least it said before the last: the table has to go down to it in between (RFC 7541 4.2). */
  leastHeaderTableBytes: number | undefined;
  initialWindow: number | undefined;
  /** The error to end with. */
  fault: number | undefined;
}

/** Reads the payload `bytes[start, end)`. Settings we don't know are ignored. */
export function readSettings(bytes: Buffer, start: number, end: number): ClientSettings {
  const read: ClientSettings = {
    headerTableBytes: undefined,
    leastHeaderTableBytes: undefined,
    initialWindow: undefined,
    fault: undefined,
  };
  for (let at = start; at < end && read.fault === undefined; at += settingBytes) {
    const id = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    readSetting(id, readUint32(bytes, at + 2), read);
  }
  return read;
}

function readSetting(id: number, value: number, read: ClientSettings): void {
  switch (id) {
    case setting.headerTableSize:
      read.headerTableBytes = value;
      read.leastHeaderTableBytes = Math.min(value, read.leastHeaderTableBytes ?? value);
      break;
    case setting.enablePush:
      if (value > 1) read.fault = errorCode.protocolError;
      break;
    case setting.initialWindowSize:
      if (value > maxWindowBytes) read.fault = errorCode.flowControlError;
      else read.initialWindow = value;
      break;
    case setting.maxFrameSize:
      if (value < maxFrameBytes || value > largestFrameBytes) read.fault = errorCode.protocolError;
      break;
    default:
  }
}
