import http from 'node:http';
import https from 'node:https';

export interface Attempt {
  port: number;
  host: string;
  path: string;
  body?: Buffer;
  /** Of the local CA: with it, https. */
  ca?: string;
  /** Undefined: a connection of its own. */
  agent?: http.Agent;
}

export interface Answer {
  status: number;
  text: string;
}

/** The connection broke before the response was whole. */
export class LostConnection extends Error {
  readonly reused: boolean;

  constructor(why: string, reused: boolean) {
    super(why);
    this.reused = reused;
  }
}

const timeLimitMs = 30_000;
const lossCodes: ReadonlySet<string | undefined> = new Set(['ECONNRESET', 'EPIPE']);

/** One request, once. Rejects with LostConnection, or with why it failed otherwise. */
export function attempt({ port, host, path, body, ca, agent }: Attempt): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const options = {
    ...{ host: '127.0.0.1', port, path, method: body ? 'POST' : 'GET', headers: { host }, agent: agent ?? false },
    signal: AbortSignal.timeout(timeLimitMs),
  };
  const sent = ca === undefined ? http.request(options) : https.request({ ...options, ca, servername: host });
  const fail = (error: NodeJS.ErrnoException): void => {
    const why = error.name === 'AbortError' ? `no answer in ${timeLimitMs} ms` : `${error.code ?? error.name}: ${error.message}`;
    reject(lossCodes.has(error.code) ? new LostConnection(why, sent.reusedSocket) : new Error(why));
  };
  sent.on('error', fail);
  sent.on('response', (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => (text += chunk));
    response.on('error', fail);
    response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
  });
  sent.end(body);
  return promise;
}
