import { SocketAddress } from 'node:net';
import { flag, rcode, type ReadMessage, type ReadRecord, recordClass, recordType } from '../dns/message.ts';
import { encodeName, isHostName, readName } from '../dns/names.ts';

export interface AnsweredRecord {
  /** Of A and AAAA, as inet_ntop(3) writes it. */
  address?: string;
  /** Without compressed names. */
  data: Buffer;
}

/** What an upstream's answer says of a name. `alias`: whom else to ask, since the answer does not say. */
export type UpstreamAnswer =
  | { kind: 'records'; records: readonly AnsweredRecord[]; ttlSeconds: number }
  | { kind: 'none'; rcode: number; ttlSeconds: number }
  | { kind: 'alias'; name: string; ttlSeconds: number };

const maxAliases = 16;
/** More of one name help nobody, and each address has an element in a tenant's set. */
const maxRecords = 32;
const maxDataBytes = 4_096;

/** A record's data to be passed on; undefined: it is none. */
type DataReader = (bytes: Buffer, record: ReadRecord) => Buffer | undefined;

const asItIs: DataReader = (_bytes, { data }) => data;
const ofLength =
  (length: number): DataReader =>
  (_bytes, { data }) =>
    data.length === length ? data : undefined;
/** Its name may point into the message. */
const withNameAt =
  (offset: number): DataReader =>
  (bytes, { data, dataStart }) => {
    const target = readTarget(bytes, dataStart + offset, dataStart + data.length);
    return target === undefined ? undefined : Buffer.concat([data.subarray(0, offset), encodeName(target)]);
  };

/** What tenants may ask for: where to connect to, and what says so. */
const dataReaders: ReadonlyMap<number, DataReader> = new Map([
  [recordType.A, ofLength(4)],
  [recordType.AAAA, ofLength(16)],
  [recordType.MX, withNameAt(2)],
  [recordType.SRV, withNameAt(6)],
  [recordType.TXT, asItIs],
  [recordType.CAA, asItIs],
]);

export function isAnsweredType(type: number): boolean {
  return dataReaders.has(type);
}

/**
 * Follows CNAME records from the name that was asked for (RFC 1034, 3.6.2). Records of other names in the answer are nobody's
 * business: they are not read.
 */
export function interpretAnswer(bytes: Buffer, message: ReadMessage, asked: string, type: number): UpstreamAnswer {
  const inClass = message.answers.filter((record) => record.class === recordClass.IN);
  let name = asked;
  let ttlSeconds = Infinity;
  for (let hops = 0; hops <= maxAliases; hops += 1) {
    const own = inClass.filter((record) => record.name === name);
    const ofType = own.filter((record) => record.type === type);
    const records = ofType.slice(0, maxRecords).flatMap((record) => toAnswered(bytes, record));
    if (records.length > 0) return { kind: 'records', records, ttlSeconds: Math.min(ttlSeconds, ...ofType.map(({ ttl }) => ttl)) };
    const alias = own.find((record) => record.type === recordType.CNAME);
    const target = alias && readTarget(bytes, alias.dataStart, alias.dataStart + alias.data.length);
    if (alias === undefined || target === undefined) break;
    ttlSeconds = Math.min(ttlSeconds, alias.ttl);
    name = target;
  }
  // An upstream that does not follow aliases by itself says nothing of where they lead.
  const isOpen = name !== asked && message.rcode === rcode.noError && !hasStartOfAuthority(message);
  if (isOpen) return { kind: 'alias', name, ttlSeconds };
  return { kind: 'none', rcode: message.rcode, ttlSeconds: negativeTtl(message) };
}

function toAnswered(bytes: Buffer, record: ReadRecord): AnsweredRecord[] {
  const read = dataReaders.get(record.type)?.(bytes, record);
  if (!read || read.length > maxDataBytes) return [];
  // Copied: a part would keep the whole message's memory while it is cached.
  const data = Buffer.from(read);
  if (record.type === recordType.A) return [{ address: data.join('.'), data }];
  return [record.type === recordType.AAAA ? { address: ipv6Text(data), data } : { data }];
}

function ipv6Text(data: Buffer): string {
  return new SocketAddress({ address: data.toString('hex').replace(/.{4}(?!$)/g, '$&:'), family: 'ipv6' }).address;
}

/** A host's name that takes just these bytes. The root is one, too: "there is no such service" (RFC 2782). */
function readTarget(bytes: Buffer, start: number, end: number): string | undefined {
  try {
    const { name, next } = readName(bytes, start);
    return next === end && (name === '' || isHostName(name)) ? name : undefined;
  } catch {
    return undefined; // no name
  }
}

function hasStartOfAuthority({ authority }: ReadMessage): boolean {
  return authority.some(({ type }) => type === recordType.SOA);
}

/** RFC 2308, 5: the lesser of the SOA record's own TTL and its last field. Without one, it is not to be kept. */
function negativeTtl({ authority }: ReadMessage): number {
  const soa = authority.find(({ type }) => type === recordType.SOA);
  if (!soa || soa.data.length < 20) return 0;
  return Math.min(soa.ttl, soa.data.readUInt32BE(soa.data.length - 4));
}

/** Whether a server's answer says something of the name; otherwise the next server is asked. */
export function isUsable(message: ReadMessage): boolean {
  const isFinal = message.rcode === rcode.noError || message.rcode === rcode.noSuchName;
  return isFinal && (message.flags & flag.response) !== 0;
}
