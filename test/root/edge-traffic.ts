import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { setTimeout as wait } from 'node:timers/promises';
import type { TenantFiles } from '../support/test-daemon.ts';
import { request } from '../support/client.ts';
import { until } from '../support/until.ts';

/** Answers with its release, streams events, echoes over a WebSocket's connection, and counts what is sent to it. */
export const trafficApp: TenantFiles = {
  'apps/site/package.json': '{ "main": "server.js" }',
  'apps/site/server.js': `
const server = require('node:http').createServer((request, response) => {
  if (request.url === '/context') return response.end(request.headers['x-tenantd-context']);
  if (request.url === '/events') {
    let next = 0;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const timer = setInterval(() => response.write('data: ' + next++ + '\\n\\n'), 20);
    return request.on('close', () => clearInterval(timer));
  }
  let bytes = 0;
  request.on('data', (chunk) => (bytes += chunk.length)).on('end', () => response.end('got ' + bytes));
});
server.on('upgrade', (request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nconnection: upgrade\\r\\nupgrade: websocket\\r\\n\\r\\n');
  socket.on('data', (chunk) => socket.write(chunk)).on('end', () => socket.end()).on('error', () => {});
});
server.listen(3000);`,
};

export interface TrafficReport {
  /** How many of each kind went well. */
  done: Record<string, number>;
  failures: string[];
}

export interface Traffic {
  /** Resolves when each kind has had so many more answers: whatever was replaced meanwhile is used by all. */
  goOn(rounds: number): Promise<void>;
  stop(): Promise<TrafficReport>;
}

/** Whatever a client may do with a server, at the same time, until it is stopped. */
export async function startTraffic(ports: { http: number; https: number }, host: string): Promise<Traffic> {
  const report: TrafficReport = { done: {}, failures: [] };
  const stopping = new AbortController();
  const note = (kind: string): void => void (report.done[kind] = (report.done[kind] ?? 0) + 1);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const kinds: Record<string, () => Promise<void>> = {
    'new connection': async () => expectText(await request(ports.http, { host })),
    'kept connection': async () => expectText(await request(ports.http, { host, agent })),
    // So that one is always idle when edges are replaced.
    'kept connection, idle between': async () => {
      expectText(await request(ports.http, { host, agent }));
      await wait(30);
    },
    'new TLS connection': () => askOverTls(ports.https, host),
    'HTTP/2': await http2Asker(ports.https, host),
    'event stream': await eventReader(ports.http, host),
    WebSocket: await echoAsker(ports.http, host),
    upload: await uploader(ports.http, host),
  };

  async function repeat(kind: string, once: () => Promise<void>): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await once();
        note(kind);
      } catch (error) {
        report.failures.push(`${kind}: ${String(error)}`);
        if (report.failures.length > 20) return;
      }
    }
  }

  const running = Object.entries(kinds).map(([kind, once]) => repeat(kind, once));
  return {
    async goOn(rounds) {
      const before = { ...report.done };
      await until(
        () => report.failures.length > 0 || Object.keys(kinds).every((kind) => (report.done[kind] ?? 0) >= (before[kind] ?? 0) + rounds),
        `${rounds} more of each kind`,
        30_000,
        () => Promise.resolve(JSON.stringify(report)),
      );
    },
    async stop() {
      stopping.abort();
      await Promise.all(running);
      agent.destroy();
      for (const close of closers.splice(0)) close();
      return report;
    },
  };
}

/** What lasts for as long as the test does. */
const closers: (() => void)[] = [];

function expectText({ status, text }: { status: number; text: string }, expected = 'got 0'): void {
  if (status !== 200 || text !== expected) throw new Error(`${status} ${text.slice(0, 200)}`);
}

async function askOverTls(port: number, host: string): Promise<void> {
  const socket = connectTls({ port, host: '127.0.0.1', servername: host, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
  socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  if (!/^HTTP\/1.1 200 /.test(text)) throw new Error(`over TLS: ${text.slice(0, 200)}`);
}

/** On one connection for as long as the server takes requests on it, as browsers do. */
async function http2Asker(port: number, host: string): Promise<() => Promise<void>> {
  const open = async (): Promise<http2.ClientHttp2Session> => {
    const session = http2.connect(`https://${host}`, {
      createConnection: () => connectTls({ port, host: '127.0.0.1', servername: host, rejectUnauthorized: false, ALPNProtocols: ['h2'] }),
    });
    // A request that was open tells.
    session.on('error', () => {});
    await once(session, 'connect', inTime());
    return session;
  };
  let session = await open();
  closers.push(() => session.destroy());
  const ask = async (): Promise<void> => {
    if (session.closed || session.destroyed) session = await open();
    const stream = session.request({ ':path': '/' });
    const [[headers], text] = await Promise.all([once(stream, 'response', inTime()), textOf(stream)]);
    expectText({ status: Number((headers as http2.IncomingHttpHeaders)[':status']), text });
  };
  // RFC 9113 8.7: nothing was done with it, and clients send it again. Its head and our word of the end passed each other.
  return () => ask().catch((error: unknown) => (String(error).includes('REFUSED_STREAM') ? ask() : Promise.reject(error)));
}

/** What ends without a word tells nothing else. */
function inTime(): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(10_000) };
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  closers.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Each round: the next event of one stream that never ends. */
async function eventReader(port: number, host: string): Promise<() => Promise<void>> {
  const socket = await connected(port);
  const next = reader(socket);
  socket.write(`GET /events HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
  let expected = 0;
  return async () => {
    await next(`data: ${expected}\n\n`);
    expected += 1;
  };
}

/** An open WebSocket's connection. */
export async function openTunnel(port: number, host: string): Promise<Socket> {
  const socket = await connected(port);
  await beginTunnel(socket, reader(socket), host);
  return socket;
}

async function beginTunnel(socket: Socket, next: (text: string) => Promise<void>, host: string): Promise<void> {
  socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n`);
  await next('101 Switching Protocols');
}

/** Each round: a message there and back over one connection. */
async function echoAsker(port: number, host: string): Promise<() => Promise<void>> {
  const socket = await connected(port);
  const next = reader(socket);
  await beginTunnel(socket, next, host);
  let round = 0;
  return async () => {
    const message = `message ${round++};`;
    socket.write(message);
    await next(message);
    await wait(5);
  };
}

/** Each round: a piece of one upload that never ends. */
async function uploader(port: number, host: string): Promise<() => Promise<void>> {
  const socket = await connected(port);
  let lost: string | undefined;
  socket
    .on('error', (error) => (lost = error.message))
    .on('close', () => (lost ??= 'closed'))
    .resume();
  socket.write(`POST /upload HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 20000000\r\n\r\n`);
  return async () => {
    if (lost !== undefined) throw new Error(`the upload: ${lost}`);
    socket.write(Buffer.alloc(1_000));
    await wait(10);
  };
}

/** Waits until the text comes, and forgets what came until then. */
function reader(socket: Socket): (text: string) => Promise<void> {
  let received = '';
  let ended = false;
  let look = (): void => {};
  socket
    .on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      look();
    })
    .on('error', () => {})
    .on('close', () => {
      ended = true;
      look();
    });
  return (text) =>
    new Promise((resolve, reject) => {
      look = (): void => {
        const at = received.indexOf(text);
        if (at !== -1) {
          received = received.slice(at + text.length);
          resolve();
        } else if (ended) reject(new Error(`the connection was closed, waiting for ${text}`));
      };
      look();
    });
}
