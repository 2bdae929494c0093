import type { Socket } from 'node:net';

/** The field lines that tell an app who its client is; the same for all requests of a connection. */
export function forwardedFields(socket: Socket): string {
  return `x-forwarded-for: ${clientAddress(socket)}\r\nx-forwarded-proto: http\r\nx-forwarded-port: ${socket.localPort ?? 80}\r\n`;
}

/** An IPv4 client of a dual-stack listener shows as `::ffff:192.0.2.1`; a link-local one with its zone. */
function clientAddress({ remoteAddress = 'unknown' }: Socket): string {
  const address = remoteAddress.replace(/%.*$/, '');
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice(7) : address;
}
