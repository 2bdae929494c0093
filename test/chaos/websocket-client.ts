import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../src/base/errors.ts';
import { LostConnection } from './attempt.ts';
import type { Ledger, RequestRecord } from './ledger.ts';
import type { ChaosTenant } from './tenants.ts';

const periodMs = 300;
const timeLimitMs = 30_000;
/** Edges pass a tunnel's bytes on as they are: what comes back is what was sent. */
const messageBytes = 64;

/** One WebSocket, opened anew when it was lost; a message and its echo are a request. */
export async function startWebSocketClient(tenant: ChaosTenant, port: number, ledger: Ledger, signal: AbortSignal): Promise<void> {
  let socket: Duplex | undefined;
  let echoedMs = performance.now();
  while (!signal.aborted) {
    const record: RequestRecord = { tenant: tenant.name, way: 'websocket', sentMs: performance.now(), endedMs: 0, lost: [] };
    try {
      socket ??= await open(port, tenant.host);
      await exchange(socket);
      echoedMs = performance.now();
    } catch (error) {
      const why = messageOf(error);
      // It may have been lost at any time since then.
      if (error instanceof LostConnection && error.reused) record.sentMs = echoedMs;
      if (error instanceof LostConnection)
        record.lost.push({ sentMs: record.sentMs, lostMs: performance.now(), why, reused: error.reused });
      else record.fault = why;
      socket?.destroy();
      socket = undefined;
    }
    record.endedMs = performance.now();
    ledger.add(record);
    await delay(socket ? periodMs : 50, undefined, { signal }).catch(() => {}); // the end
  }
  socket?.destroy();
}

async function open(port: number, host: string): Promise<Duplex> {
  const headers = { host, connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
  const request = http.get({
    ...{ host: '127.0.0.1', port, agent: false, signal: AbortSignal.timeout(timeLimitMs) },
    headers: { ...headers, 'sec-websocket-key': randomBytes(16).toString('base64') },
  });
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  request.on('upgrade', (_, socket) => {
    // What is left unread while nobody asks is noticed by the next exchange.
    socket.on('error', () => {});
    resolve(socket);
  });
  request.on('response', (response) => {
    reject(new Error(`${response.statusCode} instead of a WebSocket`));
    response.destroy();
  });
  request.on('error', (error: NodeJS.ErrnoException) =>
    reject(error.code === 'ECONNRESET' ? new LostConnection(error.message, false) : new Error(`${error.code}: ${error.message}`)),
  );
  return promise;
}

async function exchange(socket: Duplex): Promise<void> {
  const message = randomBytes(messageBytes);
  const ended = new AbortController();
  const lost = Promise.race(['end', 'close', 'error'].map((event) => once(socket, event, { signal: ended.signal }))).then(() => {
    throw new LostConnection('the WebSocket was closed', true);
  });
  try {
    if (socket.destroyed || socket.readableEnded) throw new LostConnection('the WebSocket was closed meanwhile', true);
    socket.write(message);
    const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(timeLimitMs)]);
    await Promise.race([echoOf(message, socket, signal), lost]);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw code === 'ECONNRESET' || code === 'EPIPE' ? new LostConnection(message, true) : error;
  } finally {
    lost.catch(() => {});
    ended.abort();
  }
}

async function echoOf(message: Buffer, socket: Duplex, signal: AbortSignal): Promise<void> {
  let received = Buffer.alloc(0);
  while (received.length < message.length) {
    const [chunk] = (await once(socket, 'data', { signal })) as [Buffer];
    received = Buffer.concat([received, chunk]);
  }
  if (!received.equals(message)) throw new Error('a message came back changed');
}
