import { canonicalAddress } from './ip-address.ts';
import type { Endpoint, ProxyHeaderRead } from './proxied-connection.ts';
import { readProxyTlvs } from './proxy-tlvs.ts';

export const v2Signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** Signature, version and command, family and transport, length of what follows. */
const fixedBytes = 16;
const maxHeaderBytes = 4_096;
const localCommand = 0x20;
const proxyCommand = 0x21;
const tcpOverIpv4 = 0x11;
const tcpOverIpv6 = 0x21;
/** Valid, and nothing that a connection of ours can come from: unspecified, UDP, Unix sockets. The specification lets us take them for unspecified. */
const otherFamilies = new Set([0x00, 0x12, 0x22, 0x31, 0x32]);

/** `bytes` begin like its signature. */
export function readProxyHeaderV2(bytes: Buffer): ProxyHeaderRead {
  if (bytes.length < fixedBytes) return { done: false };
  const command = bytes[12];
  const headerBytes = fixedBytes + bytes.readUInt16BE(14);
  if (command !== localCommand && command !== proxyCommand) return { fault: 'a PROXY header with an unknown command' };
  if (headerBytes > maxHeaderBytes) return { fault: 'a PROXY header that is too long' };
  if (bytes.length < headerBytes) return { done: false };
  // LOCAL: the proxy itself is the client, whatever follows.
  if (command === localCommand) return { done: true, headerBytes, connection: { secure: false } };
  return readProxied(bytes.subarray(0, headerBytes));
}

function readProxied(header: Buffer): ProxyHeaderRead {
  const family = header[13] ?? 0;
  if (family === tcpOverIpv4) return readAddresses(header, 4);
  if (family === tcpOverIpv6) return readAddresses(header, 16);
  if (!otherFamilies.has(family)) return { fault: 'a PROXY header with an unknown family' };
  return { done: true, headerBytes: header.length, connection: { secure: false } };
}

/** Source and destination address, source and destination port, TLVs. */
function readAddresses(header: Buffer, addressBytes: 4 | 16): ProxyHeaderRead {
  const ports = fixedBytes + 2 * addressBytes;
  const tlvs = ports + 4;
  if (header.length < tlvs) return { fault: 'a PROXY header too short for its addresses' };
  const read = readProxyTlvs(header, tlvs);
  if ('fault' in read) return read;
  const source = endpoint(header.subarray(fixedBytes, fixedBytes + addressBytes), header.readUInt16BE(ports));
  const destination = endpoint(header.subarray(fixedBytes + addressBytes, ports), header.readUInt16BE(ports + 2));
  return { done: true, headerBytes: header.length, connection: { source, destination, secure: read.secure } };
}

function endpoint(address: Buffer, port: number): Endpoint {
  const text = address.length === 4 ? address.join('.') : (address.toString('hex').match(/.{4}/g) ?? []).join(':');
  return { address: canonicalAddress(text) ?? text, port };
}
