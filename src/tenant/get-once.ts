import { connect } from 'node:net';
import { type BodyReader, LengthBody, noBody, UntilCloseBody } from '../http1/body.ts';
import { ChunkedBody } from '../http1/chunked-body.ts';
import { findHeadEnd } from '../http1/head-end.ts';
import { maxHeadBytes } from '../http1/limits.ts';
import { parseResponseHead, ResponseHead } from '../http1/response-head.ts';

export interface GetOptions {
  socketPath: string;
  /** An origin-form target, and names and values of fields that were checked. */
  path: string;
  headers: Readonly<Record<string, string>>;
  signal: AbortSignal;
}

export type GetOutcome =
  | { got: 'answer'; status: number }
  | { got: 'nothing-in-time' }
  /** The connection ended before the answer was whole. */
  | { got: 'end' }
  | { got: 'nonsense'; why: string };

/** What is read is dropped; an endless answer must not keep this process busy. */
const maxAnswerBytes = 16 << 20;

/** One GET over HTTP/1.1, until its answer is whole. */
export function getOnce({ socketPath, path, headers, signal }: GetOptions): Promise<GetOutcome> {
  if (signal.aborted) return Promise.resolve({ got: 'nothing-in-time' });
  const { promise, resolve } = Promise.withResolvers<GetOutcome>();
  const answer = createAnswerReader();
  const fields = Object.entries({ ...headers, connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = connect({ path: socketPath });
  socket.write(`GET ${path} HTTP/1.1\r\n${fields.join('')}\r\n`);
  socket.on('data', (chunk: Buffer) => {
    const outcome = answer.take(chunk);
    if (outcome) resolve(outcome);
  });
  socket.on('end', () => resolve(answer.end()));
  socket.on('error', () => resolve({ got: 'end' }));
  socket.on('close', () => resolve({ got: 'end' }));
  const onAbort = (): void => resolve({ got: 'nothing-in-time' });
  signal.addEventListener('abort', onAbort, { once: true });
  return promise.finally(() => {
    signal.removeEventListener('abort', onAbort);
    socket.destroy();
  });
}

export interface AnswerReader {
  take(chunk: Buffer): GetOutcome | undefined;
  /** Nothing more comes. */
  end(): GetOutcome;
}

export function createAnswerReader(): AnswerReader {
  const head = new ResponseHead();
  let unread = Buffer.alloc(0);
  let body: BodyReader | undefined;

  function takeHead(): GetOutcome | undefined {
    const end = findHeadEnd(unread, 0);
    if (end === -1) return unread.length > maxHeadBytes ? nonsense('its head is too large') : undefined;
    const refusal = parseResponseHead(unread, end, head);
    if (refusal) return nonsense(refusal.reason);
    const rest = unread.subarray(end);
    unread = Buffer.alloc(0);
    if (head.status === 101) return nonsense('it switched protocols');
    if (head.status >= 200) body = bodyOf(head);
    return take(rest);
  }

  function take(chunk: Buffer): GetOutcome | undefined {
    if (!body) {
      if (chunk.length === 0) return undefined;
      unread = Buffer.concat([unread, chunk]);
      return takeHead();
    }
    body.take(chunk);
    if (body.fault !== undefined) return nonsense(body.fault);
    if (body.contentBytes > maxAnswerBytes) return nonsense('its answer is too large');
    return body.done ? { got: 'answer', status: head.status } : undefined;
  }

  return {
    take,
    end: () => (body instanceof UntilCloseBody ? { got: 'answer', status: head.status } : { got: 'end' }),
  };
}

/** RFC 9112 6.3. */
function bodyOf({ status, chunked, contentLength }: ResponseHead): BodyReader {
  if (status === 204 || status === 304) return noBody;
  if (chunked) return new ChunkedBody();
  return contentLength >= 0 ? new LengthBody(contentLength) : new UntilCloseBody();
}

function nonsense(why: string): GetOutcome {
  return { got: 'nonsense', why };
}
