// An upstream for uploads and WebSockets, on the Unix socket argv[2]. It trusts what it reads.
import { createHash } from 'node:crypto';
import { createServer, type Socket } from 'node:net';

const answer = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n\r\nok');
const maskedHeadBytes = 6;

createServer((socket) => {
  let head = '';
  let bodyLeft = 0;
  socket.on('error', () => {});
  socket.on('data', readRequest);

  function readRequest(chunk: Buffer): void {
    if (bodyLeft > 0) return readBody(chunk);
    head += chunk.toString('latin1');
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    const body = head.length - end - 4;
    bodyLeft = Number(fieldOf(head, 'content-length') ?? 0);
    const key = fieldOf(head, 'sec-websocket-key');
    head = '';
    if (key !== undefined) return openWebSocket(key);
    if (bodyLeft === 0) socket.write(answer);
    else readBody(body);
  }

  function readBody(part: Buffer | number): void {
    bodyLeft -= typeof part === 'number' ? part : part.length;
    if (bodyLeft === 0) socket.write(answer);
  }

  function openWebSocket(key: string): void {
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
    );
    socket.off('data', readRequest);
    socket.on('data', (chunk: Buffer) => echo(socket, chunk));
  }
}).listen(process.argv[2]);

function fieldOf(head: string, name: string): string | undefined {
  return new RegExp(`^${name}:\\s*(\\S+)`, 'im').exec(head)?.[1];
}

/** One short masked frame a chunk: clients wait for the answer before they send the next (RFC 6455 5.2, 5.3). */
function echo(socket: Socket, frame: Buffer): void {
  const length = (frame[1] ?? 0) & 0x7f;
  if (length > 125 || frame.length !== maskedHeadBytes + length) throw new Error(`${frame.length} bytes are not one short frame`);
  const out = Buffer.allocUnsafe(2 + length);
  out[0] = frame[0] ?? 0;
  out[1] = length;
  for (let index = 0; index < length; index++) out[2 + index] = (frame[maskedHeadBytes + index] ?? 0) ^ (frame[2 + (index & 3)] ?? 0);
  socket.write(out);
}
