// A TLS client: so many connections at once, each new, each for one request. Prints its figures as JSON.
import { connect, type TLSSocket } from 'node:tls';
import { Histogram } from './histogram.ts';
import type { ProcessLoad } from './loaders.ts';
import { hostName, listenAddress } from './proxy.ts';

const { port, connections, seconds } = JSON.parse(process.argv[2] ?? '') as ProcessLoad;
const request = `GET /small HTTP/1.1\r\nhost: ${hostName}:${port}\r\nconnection: close\r\n\r\n`;
const durations = new Histogram();
const startMs = performance.now();
const endMs = startMs + seconds * 1_000;

await Promise.all(Array.from({ length: connections }, requestUntilEnd));
process.stdout.write(`${JSON.stringify(durations.figures(performance.now() - startMs))}\n`);

async function requestUntilEnd(): Promise<void> {
  for (let nowMs = performance.now(); nowMs < endMs;) {
    await requestOnce();
    const doneMs = performance.now();
    durations.add(doneMs - nowMs);
    nowMs = doneMs;
  }
}

function requestOnce(): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // The certificate is nobody's; the work that its signature makes is done all the same.
  const socket = connect({ port, host: listenAddress, servername: hostName, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
  let answer = '';
  socket.once('secureConnect', () => {
    if (!isFull(socket)) reject(new Error('no full handshake of TLS 1.3'));
    socket.write(request);
  });
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  socket.once('error', reject);
  socket.once('close', () => {
    if (answer.startsWith('HTTP/1.1 200 ')) resolve();
    else reject(new Error(`answered: ${answer.slice(0, 100)}`));
  });
  return promise;
}

function isFull(socket: TLSSocket): boolean {
  return !socket.isSessionReused() && socket.getProtocol() === 'TLSv1.3';
}
