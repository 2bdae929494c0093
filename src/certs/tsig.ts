import { createHmac } from 'node:crypto';
import { encodeMessage, type Message, recordClass, recordType, uint16, uint32 } from '../dns/message.ts';
import { encodeName } from '../dns/names.ts';

const algorithm = 'hmac-sha256';
/** Clocks may differ by so much. */
const fudgeSeconds = 300;

export interface TsigKey {
  name: string;
  secret: Buffer;
}

/** RFC 8945, 4.3 and 5: the message, and a TSIG record at its end that signs it. */
export function signMessage(message: Message, { name, secret }: TsigKey, nowMs: number): Buffer {
  const unsigned = encodeMessage(message);
  const seconds = Math.floor(nowMs / 1_000);
  const time = Buffer.concat([uint16(Math.floor(seconds / 2 ** 32)), uint32(seconds % 2 ** 32), uint16(fudgeSeconds)]);
  const errorAndOther = Buffer.alloc(4);
  const variables = [encodeName(name), uint16(recordClass.ANY), uint32(0), encodeName(algorithm), time, errorAndOther];
  const mac = createHmac('sha256', secret)
    .update(Buffer.concat([unsigned, ...variables]))
    .digest();
  const data = Buffer.concat([encodeName(algorithm), time, uint16(mac.length), mac, uint16(message.id), errorAndOther]);
  const signature = { name, type: recordType.TSIG, class: recordClass.ANY, ttl: 0, data };
  return encodeMessage({ ...message, additional: [...message.additional, signature] });
}
