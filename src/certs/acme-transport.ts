import { Agent, type RequestOptions, request } from 'node:https';
import { rootCertificates } from 'node:tls';
import * as acme from 'acme-client';
import { messageOf } from '../base/errors.ts';
import { version } from '../base/version.ts';
import { NoncePool } from './nonce-pool.ts';
import { AcmeFault, parseProblem, parseRetryAfterMs } from './acme-fault.ts';

const requestTimeoutMs = 30_000;
/** A chain has some 5 KB; a directory one. */
const maxBodyBytes = 1 << 20;
const maxSockets = 32;

export interface Outgoing {
  url?: string;
  method?: string;
  headers: { toJSON(): Record<string, unknown> };
  data?: unknown;
}

export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** When the CA wants to be asked again for a document of its, by the document. */
const waits = new WeakMap<object, number>();

export function retryAfterMsOf(document: object): number | undefined {
  return waits.get(document);
}

/**
 * Replaces how acme-client reaches CAs. Its own way (an axios adapter) turns a refused connection into a TypeError, hides status,
 * problem type and Retry-After, and sleeps for minutes inside a request. Ours asks once, and every fault is an AcmeFault.
 * There is one such client a process, as its axios instance is one.
 */
export function installTransport(caPem: string | undefined): void {
  const agent = new Agent({ keepAlive: true, maxSockets, ...(caPem !== undefined && { ca: [...rootCertificates, caPem] }) });
  const nonces = new NoncePool();
  acme.axios.defaults.adapter = async (config) => {
    const outgoing = config as unknown as Outgoing;
    const reply = nonces.answer(outgoing) ?? nonces.keep(outgoing, await send(agent, outgoing));
    const data = readBody(reply);
    const problem = parseProblem(reply.status, data, parseRetryAfterMs(reply.headers['retry-after'], Date.now()));
    // acme-client asks again with a new nonce by itself (RFC 8555, 6.5).
    if (problem && problem.type !== 'badNonce') throw problem;
    const waitMs = parseRetryAfterMs(reply.headers['retry-after'], Date.now());
    if (typeof data === 'object' && data !== null && waitMs !== undefined) waits.set(data, waitMs);
    return { data, status: reply.status, statusText: '', headers: reply.headers, config };
  };
}

/** A document that needs no signature: the directory, renewal information; and when the CA wants to be asked for it again. */
export async function getDocument(url: string): Promise<{ document: unknown; waitMs: number | undefined }> {
  const { data } = await acme.axios.get<unknown>(url);
  return { document: data, waitMs: typeof data === 'object' && data !== null ? waits.get(data) : undefined };
}

async function send(agent: Agent, { url = '', method = 'get', headers, data }: Outgoing): Promise<Reply> {
  const body = typeof data === 'string' ? data : undefined;
  const fields = {
    ...plainHeaders(headers),
    'user-agent': `tenantd/${version}`,
    ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
  };
  try {
    return await exchange(
      url,
      { agent, method: method.toUpperCase(), headers: fields, signal: AbortSignal.timeout(requestTimeoutMs) },
      body,
    );
  } catch (error) {
    throw new AcmeFault({ status: 0, type: 'unreachable', detail: `${new URL(url).host} can not be reached: ${messageOf(error)}` });
  }
}

function exchange(url: string, options: RequestOptions, body: string | undefined): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, options, (incoming) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > maxBodyBytes) outgoing.destroy(new Error('the answer is too long'));
        else chunks.push(chunk);
      });
      incoming.on('error', reject);
      incoming.on('end', () => {
        const single = Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]);
        resolve({ status: incoming.statusCode ?? 0, headers: Object.fromEntries(single), body: Buffer.concat(chunks).toString('utf8') });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function plainHeaders(headers: Outgoing['headers']): Record<string, string> {
  const entries = Object.entries(headers.toJSON()).filter(([, value]) => typeof value === 'string');
  return Object.fromEntries(entries) as Record<string, string>;
}

function readBody({ headers, body }: Reply): unknown {
  if (!/\bjson\b/.test(headers['content-type'] ?? '')) return body;
  try {
    return JSON.parse(body);
  } catch {
    // A fault like any other document that makes no sense.
    return body;
  }
}
