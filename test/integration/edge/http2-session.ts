import { once } from 'node:events';
import http2 from 'node:http2';
import { onTestFinished } from 'vitest';
import type { TestCertificate } from '../../support/certificate.ts';
import { type EdgeUnderTest, host } from './edge-under-test.ts';

interface Answer {
  status: number;
  headers: http2.IncomingHttpHeaders;
  trailers: http2.IncomingHttpHeaders;
  body: string;
}

/** With `acme.example` of an edge that serves the certificate for it. */
export async function openSession(
  edge: EdgeUnderTest,
  certificate: TestCertificate,
  settings: http2.Settings = {},
): Promise<http2.ClientHttp2Session> {
  const session = http2.connect(`https://${host}`, {
    port: edge.securePort,
    lookup: toLoopback,
    ca: certificate.chain,
    settings,
    maxSendHeaderBlockLength: 1 << 20,
  });
  onTestFinished(() => session.destroy());
  session.on('error', () => {});
  await once(session, 'connect');
  return session;
}

// `all: true` wants a list.
const toLoopback = ((_: string, options: { all?: boolean }, done: (error: null, address: unknown, family?: number) => void) =>
  options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)) as never;

export async function answerTo(stream: http2.ClientHttp2Stream): Promise<Answer> {
  let headers: http2.IncomingHttpHeaders = {};
  let trailers: http2.IncomingHttpHeaders = {};
  let body = '';
  stream.on('response', (received) => (headers = received)).on('trailers', (received) => (trailers = received));
  stream.setEncoding('latin1').on('data', (text: string) => (body += text));
  await new Promise((resolve) => stream.on('close', resolve));
  return { status: Number(headers[':status']), headers, trailers, body };
}

export function ask(session: http2.ClientHttp2Session, fields: http2.OutgoingHttpHeaders = {}, body?: string): Promise<Answer> {
  const stream = session.request({ ':path': '/', ...fields });
  stream.on('error', () => {});
  stream.end(body);
  return answerTo(stream);
}
