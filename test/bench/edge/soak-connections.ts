import { connect, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { hostName, listenAddress, type Ports } from './proxy.ts';

/** Opens one connection and ends it; throws what must not happen. */
type Kind = (ports: Ports) => Promise<void>;

const request = `GET /small HTTP/1.1\r\nhost: ${hostName}\r\nconnection: close\r\n\r\n`;
const largeRequest = request.replace('/small', '/large');
const beginOfHead = request.slice(0, 40);
const beginOfUpload = `POST /small HTTP/1.1\r\nhost: ${hostName}\r\ncontent-length: 1000000\r\n\r\n${'x'.repeat(1_000)}`;
/** RFC 8446 4.1.2: a record's head and the first bytes of a ClientHello. */
const beginOfHello = Buffer.from('1603010200010001fc0303', 'hex');
/** RFC 9113 3.4, 6.5, and a HEADERS frame that promises more than it brings. */
const beginOfHttp2 = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from('000000040000000000000040010400000001', 'hex'),
  Buffer.alloc(8, 0x82),
]);

export const connectionKinds: Readonly<Record<string, Kind>> = {
  'one request': ({ httpPort }) => ask(openPlain(httpPort), 'connect'),
  'one request over TLS': ({ httpsPort }) => ask(openTls(httpsPort), 'secureConnect'),
  'cut in a head': ({ httpPort }) => cutAfter(openPlain(httpPort), beginOfHead),
  'closed in a head': ({ httpPort }) => closeAfter(openPlain(httpPort), beginOfHead),
  'cut in a request body': ({ httpPort }) => cutAfter(openPlain(httpPort), beginOfUpload),
  'cut in a response body': ({ httpPort }) => cutAt(openPlain(httpPort), largeRequest, 'data'),
  'cut at the begin of a handshake': ({ httpsPort }) => cutAfter(openPlain(httpsPort), beginOfHello),
  'cut in the middle of a handshake': ({ httpsPort }) => cutAt(openTls(httpsPort), '', 'keylog'),
  'cut in a head over TLS': ({ httpsPort }) => cutAfter(openTls(httpsPort), beginOfHead, 'secureConnect'),
  'cut in a head of HTTP/2': ({ httpsPort }) => cutAfter(openTls(httpsPort, 'h2'), beginOfHttp2, 'secureConnect'),
};

/** So many connections of all kinds in turn, so many at once; answers what went wrong. */
export async function openAndClose(ports: Ports, count: number, concurrency: number): Promise<string[]> {
  const kinds = Object.entries(connectionKinds);
  const faults: string[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      const [name, kind] = kinds[next++ % kinds.length] as [string, Kind];
      await kind(ports).catch((error: unknown) => faults.push(`${name}: ${String(error)}`));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return faults;
}

function openPlain(port: number): Socket {
  return connect({ port, host: listenAddress, noDelay: true });
}

function openTls(port: number, protocol = 'http/1.1'): TLSSocket {
  const socket = connectTls({ port, host: listenAddress, servername: hostName, rejectUnauthorized: false, ALPNProtocols: [protocol] });
  return socket.setNoDelay(true);
}

function ask(socket: Socket, ready: 'connect' | 'secureConnect'): Promise<void> {
  let answer = '';
  socket.once(ready, () => socket.write(request)).on('data', (bytes: Buffer) => (answer += bytes.toString('latin1')));
  return closeOf(socket).then(() => {
    if (!answer.startsWith('HTTP/1.1 200 ')) throw new Error(`answered: ${answer.slice(0, 100)}`);
  });
}

/** A reset, once what was sent has gone out. */
function cutAfter(socket: Socket, sent: string | Buffer, ready: 'connect' | 'secureConnect' = 'connect'): Promise<void> {
  socket.once(ready, () => socket.write(sent, () => cut(socket)));
  return closeOf(socket);
}

function closeAfter(socket: Socket, sent: string): Promise<void> {
  socket.once('connect', () => socket.end(sent)).resume();
  return closeOf(socket);
}

/** A reset when the edge has sent the first of something. */
function cutAt(socket: Socket, sent: string, event: 'data' | 'keylog'): Promise<void> {
  if (sent !== '') socket.once('connect', () => socket.write(sent));
  socket.once(event, () => cut(socket));
  return closeOf(socket);
}

/** Over TLS there is no reset to be had, but an end without `close_notify`. */
function cut(socket: Socket): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}

function closeOf(socket: Socket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('error', reject).once('close', () => resolve());
  return promise;
}
