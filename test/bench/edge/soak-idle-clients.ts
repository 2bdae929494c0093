import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Histogram } from './histogram.ts';
import type { LoadFigures } from './loaders.ts';
import { hostName, listenAddress, type Ports } from './proxy.ts';

const request = `GET /small HTTP/1.1\r\nhost: ${hostName}\r\n\r\n`;
/** RFC 7541: GET and https from the static table, :authority and :path as literals. */
const fieldBlock = Buffer.concat([
  Buffer.from([0x82, 0x87, 0x01, hostName.length]),
  Buffer.from(hostName),
  Buffer.from([0x04, '/small'.length]),
  Buffer.from('/small'),
]);
/** RFC 9113: the preface, an empty SETTINGS, and HEADERS of the whole request. */
const http2Request = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from('000000040000000000', 'hex'),
  Buffer.from([0, 0, fieldBlock.length, 1, 5, 0, 0, 0, 1]),
  fieldBlock,
]);
const bodyEnd = 'bench\n';

export type IdleKind = 'plain' | 'TLS' | 'HTTP/2';

/** Opens so many connections, each for one request, and leaves them open. */
export async function openIdle(ports: Ports, kind: IdleKind, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next++ < count) sockets.push(await openOne(ports, kind));
  };
  await Promise.all(Array.from({ length: 100 }, work));
  return sockets;
}

function openOne({ httpPort, httpsPort }: Ports, kind: IdleKind): Promise<Socket> {
  const protocol = kind === 'HTTP/2' ? 'h2' : 'http/1.1';
  const secure = { port: httpsPort, host: listenAddress, servername: hostName, rejectUnauthorized: false, ALPNProtocols: [protocol] };
  const socket = kind === 'plain' ? connect({ port: httpPort, host: listenAddress }) : connectTls(secure);
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  socket.once('connect', () => kind === 'plain' && socket.write(request));
  socket.once('secureConnect', () => socket.write(kind === 'HTTP/2' ? http2Request : request));
  let answer = '';
  const onData = (bytes: Buffer): void => {
    answer += bytes.toString('latin1');
    if (!answer.includes(bodyEnd)) return;
    // From now on nothing is kept here but the socket.
    socket.off('data', onData).resume();
    resolve(socket);
  };
  socket
    .on('data', onData)
    .once('error', reject)
    .once('close', () => reject(new Error(`closed after ${JSON.stringify(answer)}`)));
  return promise;
}

export async function closeAll(sockets: readonly Socket[]): Promise<void> {
  await Promise.all(
    sockets.map((socket) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (socket.destroyed) resolve();
      else socket.once('close', () => resolve()).destroy();
      return promise;
    }),
  );
}

/** Requests one after another, each on a connection of its own. */
export async function measureLatency(ports: Ports, count: number): Promise<LoadFigures> {
  const durations = new Histogram();
  const beginMs = performance.now();
  for (let time = 0; time < count; time++) {
    const startMs = performance.now();
    const socket = await openOne(ports, 'plain');
    durations.add(performance.now() - startMs);
    await closeAll([socket]);
  }
  return durations.figures(performance.now() - beginMs);
}

export interface SlowResult {
  /** When the edge closed it, after it was opened. */
  seconds: number;
  answer: string;
}

/** Sends one byte a second of `text` (or all at once, and then nothing) until the edge closes the connection. */
export function sendSlowly(port: number, text: string, drip: boolean): Promise<SlowResult> {
  const { promise, resolve } = Promise.withResolvers<SlowResult>();
  const startMs = performance.now();
  const socket = connect({ port, host: listenAddress });
  let at = 0;
  let answer = '';
  const dripOne = (): void => void socket.write(text.charAt(at++ % text.length), 'latin1');
  const timer = setInterval(() => drip && socket.writable && dripOne(), 1_000);
  socket
    .once('connect', () => (drip ? dripOne() : socket.write(text, 'latin1')))
    .on('data', (bytes: Buffer) => (answer += bytes.toString('latin1')))
    .on('error', () => {})
    .once('close', () => {
      clearInterval(timer);
      resolve({ seconds: (performance.now() - startMs) / 1_000, answer });
    });
  return promise;
}
