import { flag, headerBytes, maxUdpBytes, recordClass, recordType, uint16, uint32 } from '../dns/message.ts';
import type { Query } from './query.ts';

export interface Reply {
  rcode: number;
  /** The data of records of the name and type that were asked for. */
  records: readonly Buffer[];
  ttlSeconds: number;
}

/** A pointer to the question's name (RFC 1035, 4.1.4). */
const askedName = uint16(0xc000 | headerBytes);

/** By TCP nothing is cut. By UDP, an answer that does not fit is left out, and asked for again by TCP. */
export function encodeReply(query: Query, reply: Reply, transport: 'udp' | 'tcp'): Buffer {
  const fixed = Buffer.concat([askedName, uint16(query.type), uint16(recordClass.IN), uint32(reply.ttlSeconds)]);
  const records = reply.records.map((data) => Buffer.concat([fixed, uint16(data.length), data]));
  const option = query.edns ? encodeOption(reply.rcode) : Buffer.alloc(0);
  const wholeBytes = headerBytes + query.questionBytes.length + option.length + records.reduce((sum, { length }) => sum + length, 0);
  const isTruncated = transport === 'udp' && wholeBytes > query.maxBytes;
  const shown = isTruncated ? [] : records;
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(query.id, 0);
  header.writeUInt16BE(
    flag.response |
      flag.recursionAvailable |
      (query.recursionDesired ? flag.recursionDesired : 0) |
      (isTruncated ? flag.truncated : 0) |
      (reply.rcode & 0x0f),
    2,
  );
  header.writeUInt16BE(query.questionBytes.length > 0 ? 1 : 0, 4);
  header.writeUInt16BE(shown.length, 6);
  header.writeUInt16BE(query.edns ? 1 : 0, 10);
  return Buffer.concat([header, query.questionBytes, ...shown, option]);
}

/** RFC 6891, 6.1.2: the root's name, our size as the class, the upper bits of the response code in the TTL. */
function encodeOption(rcode: number): Buffer {
  return Buffer.concat([
    Buffer.from([0]),
    uint16(recordType.OPT),
    uint16(maxUdpBytes.extended),
    uint32((rcode >>> 4) * 2 ** 24),
    uint16(0),
  ]);
}
