const headBytes = 5;

/** A frame as `writeFrame` writes it: that is what a backup is made of. */
export function encodeFrame(type: number, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(headBytes + payload.length);
  frame.writeUInt8(type);
  frame.writeUInt32BE(payload.length, 1);
  payload.copy(frame, headBytes);
  return frame;
}
