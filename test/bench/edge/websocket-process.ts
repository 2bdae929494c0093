// A WebSocket client: each connection sends one message, waits for it to come back, and sends the next. Prints its figures as JSON.
import { connect, type Socket } from 'node:net';
import { Histogram } from './histogram.ts';
import type { ProcessLoad } from './loaders.ts';
import { hostName, listenAddress } from './proxy.ts';

const { port, connections, seconds } = JSON.parse(process.argv[2] ?? '') as ProcessLoad;
const message = Buffer.from('sixty-four bytes of text, as a chat or a game would send them...');
const mask = [0x37, 0xfa, 0x21, 0x3d];
const frame = Buffer.from([0x81, 0x80 | message.length, ...mask, ...message.map((byte, index) => byte ^ (mask[index & 3] ?? 0))]);
const expected = Buffer.from([0x81, message.length, ...message]);
const handshake = [
  'GET /socket HTTP/1.1',
  `host: ${hostName}:${port}`,
  'connection: upgrade',
  'upgrade: websocket',
  'sec-websocket-version: 13',
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n');

const durations = new Histogram();
const sockets = await Promise.all(Array.from({ length: connections }, open));
const startMs = performance.now();
for (const socket of sockets) exchange(socket);
setTimeout(finish, seconds * 1_000);

function open(): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect(port, listenAddress, () => socket.write(handshake));
  socket.setNoDelay(true);
  socket.once('error', reject);
  socket.once('data', (head) => {
    const accepted = head.toString('latin1').startsWith('HTTP/1.1 101 ');
    if (accepted) resolve(socket);
    else reject(new Error(`no upgrade: ${head.toString('latin1').slice(0, 100)}`));
  });
  return promise;
}

function exchange(socket: Socket): void {
  let sentMs = performance.now();
  let received = 0;
  socket.on('close', () => fail('a connection was closed'));
  socket.on('data', (chunk: Buffer) => {
    if (expected.compare(chunk, 0, chunk.length, received, received + chunk.length) !== 0) fail('a message came back changed');
    received += chunk.length;
    if (received < expected.length) return;
    received = 0;
    const nowMs = performance.now();
    durations.add(nowMs - sentMs);
    sentMs = nowMs;
    socket.write(frame);
  });
  socket.write(frame);
}

function fail(reason: string): never {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}

function finish(): void {
  process.stdout.write(`${JSON.stringify(durations.figures(performance.now() - startMs))}\n`, () => process.exit(0));
}
