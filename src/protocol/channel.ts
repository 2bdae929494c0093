import type { Duplex } from 'node:stream';
import type { ErrorCode } from '../base/error-codes.ts';
import { messageOf, TenantdError } from '../base/errors.ts';
import { createLineSplitter } from './lines.ts';

/**
 * JSON-RPC 2.0 (https://www.jsonrpc.org/specification), one message a line, over any duplex stream; both ends may ask.
 *
 * Invariants:
 * - A frame over `maxFrameBytes`, or one that is not JSON-RPC, closes the channel: the peer is broken or hostile.
 * - What waits to be written is bounded by `maxQueuedBytes`; a peer that does not read loses its channel.
 * - What waits for a handler is bounded by `maxOpenRequests`.
 * - Every request ends: by its answer, its time limit, or the channel's end.
 *
 * Parameters and results arrive as `unknown`. The daemon checks them by schema. Its children take the daemon's word
 * (`as`): it is more trusted than they are, and a schema library costs 8 MB and 40 ms in each of them.
 */
export interface Channel {
  request(method: string, params: unknown, timeoutMs?: number): Promise<unknown>;
  /** A request whose answer ends the channel: from then on its stream carries raw bytes. A refusal leaves the channel as it is. */
  upgrade(method: string, params: unknown, timeoutMs?: number): Promise<{ result: unknown; stream: Duplex }>;
  notify(method: string, params: unknown): void;
  close(): void;
  readonly closed: Promise<void>;
}

export type Handler = (params: unknown) => unknown;

/** What a handler answers to `upgrade`. `take` is called once the answer is written; the peer may be gone by then. */
export class Upgrade {
  readonly result: unknown;
  readonly take: (stream: Duplex) => void;

  constructor(result: unknown, take: (stream: Duplex) => void) {
    this.result = result;
    this.take = take;
  }
}

export interface ChannelOptions {
  stream: Duplex;
  /** By method name. A request's answer is the handler's (awaited) result; a notification's result is dropped. */
  handlers: Readonly<Record<string, Handler>>;
  maxFrameBytes?: number;
  maxQueuedBytes?: number;
  /** Requests of the peer that may wait for their answer at once; one more closes the channel. */
  maxOpenRequests?: number;
  /** A notification's handler threw, or a frame closed the channel. */
  onFault?: (error: Error) => void;
}

interface Pending {
  /** Called as soon as the answer was read, before anything that came with it. */
  resolve(result: unknown): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

const defaultRequestTimeoutMs = 30_000;
const newline = 0x0a;

export function createChannel(options: ChannelOptions): Channel {
  const { stream, handlers } = options;
  const maxFrameBytes = options.maxFrameBytes ?? 1 << 20;
  const maxQueuedBytes = options.maxQueuedBytes ?? 16 << 20;
  const maxOpenRequests = options.maxOpenRequests ?? 10_000;
  let openRequests = 0;
  const pending = new Map<number, Pending>();
  let nextId = 1;
  let open = true;
  let isReleased = false;
  const { promise: closed, resolve: settleClosed } = Promise.withResolvers<void>();

  const splitLines = createLineSplitter(maxFrameBytes, (line) => receive(line.toString('utf8')));
  stream.on('data', hearBytes);
  stream.on('error', end);
  stream.on('end', end);
  stream.on('close', end);

  /** One line after another: what comes after the one that ends the channel is not for it. */
  function hearBytes(chunk: Buffer): void {
    for (let start = 0; start < chunk.length;) {
      if (!open) return;
      const end = chunk.indexOf(newline, start) + 1 || chunk.length;
      if (!splitLines(chunk.subarray(start, end))) return fail(new Error(`a frame is over ${maxFrameBytes} bytes`));
      start = end;
      if (isReleased && start < chunk.length) return stream.unshift(chunk.subarray(start));
    }
  }

  function receive(text: string): void {
    if (!open) return;
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      return fail(new Error('a frame is not JSON'));
    }
    if (typeof message !== 'object' || message === null) return fail(new Error('a frame is not an object'));
    if ('method' in message && typeof message.method === 'string') {
      const params = 'params' in message ? message.params : undefined;
      if ('id' in message && typeof message.id === 'number') void answer(message.id, message.method, params);
      else hear(message.method, params);
    } else if ('id' in message && typeof message.id === 'number') settle(message.id, message);
    else fail(new Error('a frame is neither a call nor an answer'));
  }

  function handlerOf(method: string): Handler | undefined {
    return Object.hasOwn(handlers, method) ? handlers[method] : undefined;
  }

  function hear(method: string, params: unknown): void {
    Promise.try(() => handlerOf(method)?.(params)).then(dropResult, (error: unknown) =>
      options.onFault?.(new Error(`${method}: ${messageOf(error)}`, { cause: error })),
    );
  }

  /** Nobody asked for what an upgrade holds: it is given a stream that has ended, and lets go of it. */
  function dropResult(result: unknown): void {
    if (!(result instanceof Upgrade)) return;
    fail(new Error('an upgrade was asked for by a notification'));
    result.take(release());
  }

  async function answer(id: number, method: string, params: unknown): Promise<void> {
    if (++openRequests > maxOpenRequests) return fail(new Error(`more than ${maxOpenRequests} requests are open`));
    const handler = handlerOf(method);
    try {
      if (!handler)
        throw new TenantdError('TENANTD_E_UNKNOWN_METHOD', `there is no operation ${method}`, 'use the same version on both sides');
      const result = await handler(params);
      if (result instanceof Upgrade) return takeOver(id, result);
      write({ jsonrpc: '2.0', id, result: result ?? null });
    } catch (error) {
      write({ jsonrpc: '2.0', id, error: toWire(error) });
    } finally {
      openRequests -= 1;
    }
  }

  function settle(id: number, message: object): void {
    const waiting = pending.get(id);
    if (!waiting) return;
    pending.delete(id);
    clearTimeout(waiting.timer);
    if ('error' in message) waiting.reject(fromWire(message.error));
    else waiting.resolve('result' in message ? message.result : undefined);
  }

  function write(message: object): void {
    if (!open) return;
    stream.write(`${JSON.stringify(message)}\n`);
    if (stream.writableLength > maxQueuedBytes) fail(new Error('the peer does not read'));
  }

  function fail(error: Error): void {
    options.onFault?.(error);
    end();
  }

  function takeOver(id: number, { result, take }: Upgrade): void {
    write({ jsonrpc: '2.0', id, result: result ?? null });
    take(release());
  }

  /** The stream, paused, without anything of ours on it. */
  function release(): Duplex {
    isReleased = true;
    stream.off('data', hearBytes);
    for (const event of ['error', 'end', 'close']) stream.off(event, end);
    // Whoever takes it hears of errors once it has it.
    stream.on('error', () => {});
    stream.pause();
    finish();
    return stream;
  }

  function end(): void {
    if (!open) return;
    stream.destroy();
    finish();
  }

  function finish(): void {
    open = false;
    for (const waiting of pending.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(new TenantdError('TENANTD_E_UNREACHABLE', 'the connection was closed', 'try again'));
    }
    pending.clear();
    settleClosed();
  }

  function ask<Answer>(method: string, params: unknown, timeoutMs: number, read: (result: unknown) => Answer): Promise<Answer> {
    if (!open) return Promise.reject(new TenantdError('TENANTD_E_UNREACHABLE', 'the connection is closed', 'try again'));
    const id = nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        pending.delete(id);
        reject(new TenantdError('TENANTD_E_TIMEOUT', `${method} was not answered within ${timeoutMs} ms`, 'try again'));
      }, timeoutMs);
      pending.set(id, { resolve: (result) => resolve(read(result)), reject, timer });
      write({ jsonrpc: '2.0', id, method, params });
    });
  }

  return {
    request: (method, params, timeoutMs = defaultRequestTimeoutMs) => ask(method, params, timeoutMs, (result) => result),
    upgrade: (method, params, timeoutMs = defaultRequestTimeoutMs) =>
      ask(method, params, timeoutMs, (result) => ({ result, stream: release() })),
    notify(method, params) {
      write({ jsonrpc: '2.0', method, params });
    },
    close: end,
    closed,
  };
}

/** JSON-RPC wants a number as `code`; ours, and the fix, travel in `data`. */
function toWire(error: unknown): object {
  const known = error instanceof TenantdError;
  return {
    code: -32000,
    message: messageOf(error),
    data: { code: known ? error.code : 'TENANTD_E_INTERNAL', fix: known ? error.fix : 'look into the log of the daemon' },
  };
}

function fromWire(error: unknown): Error {
  const { message = 'unknown error', data } = (error ?? {}) as { message?: string; data?: { code?: ErrorCode; fix?: string } };
  return new TenantdError(data?.code ?? 'TENANTD_E_INTERNAL', message, data?.fix ?? '');
}
