import { setting, settingBytes } from './client-settings.ts';
import { frameType, initialWindowBytes, writeUint32 } from './frames.ts';
import type { Http2Limits } from './limits.ts';
import type { Sender } from './sender.ts';

/** What a server begins with (RFC 9113 3.4), and the connection's window, which no setting says. */
export function announceLimits(sender: Sender, limits: Http2Limits): void {
  const settings: readonly (readonly [number, number])[] = [
    [setting.maxConcurrentStreams, limits.concurrentStreams],
    [setting.initialWindowSize, limits.streamWindowBytes],
    [setting.maxHeaderListSize, limits.fieldSectionBytes],
    [setting.noRfc7540Priorities, 1],
  ];
  const payload = Buffer.alloc(settings.length * settingBytes);
  for (const [index, [id, value]] of settings.entries()) {
    payload.writeUInt16BE(id, index * settingBytes);
    writeUint32(payload, index * settingBytes + 2, value);
  }
  sender.frame(frameType.settings, 0, payload);
  const more = limits.connectionWindowBytes - initialWindowBytes;
  if (more > 0) sender.numberFrame(frameType.windowUpdate, 0, more);
}

/** RFC 9113 6.8. */
export function announceEnd(sender: Sender, lastStreamId: number, code: number): void {
  const payload = Buffer.allocUnsafe(8);
  writeUint32(payload, 0, lastStreamId);
  writeUint32(payload, 4, code);
  sender.frame(frameType.goAway, 0, payload);
}
