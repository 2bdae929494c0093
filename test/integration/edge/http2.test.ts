import { once } from 'node:events';
import http2 from 'node:http2';
import { beforeAll, describe, expect, test } from 'vitest';
import { makeCertificate, type TestCertificate } from '../../support/certificate.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { type EdgeUnderTest, host, hostRoute, startEdge, tenant, startEdgeWith } from './edge-under-test.ts';
import { answerTo, ask, openSession } from './http2-session.ts';

let certificate: TestCertificate;
beforeAll(() => (certificate = makeCertificate([host, `www.${host}`])));

const startSecureEdge = (...options: Parameters<typeof startEdge>): Promise<EdgeUnderTest> => startEdgeWith(certificate, ...options);

const connect = (edge: EdgeUnderTest, settings?: http2.Settings): Promise<http2.ClientHttp2Session> =>
  openSession(edge, certificate, settings);

describe('a request over HTTP/2', () => {
  test('reaches an app that speaks HTTP/1.1, with what the edge says of it', async () => {
    const edge = await startSecureEdge();
    await edge.http('one', (request, response) => void response.end(JSON.stringify([request.method, request.url, request.headers])));
    const session = await connect(edge);
    const { status, headers, body } = await ask(session, {
      ':path': '/a?b=c',
      cookie: ['a=1', 'b=2'],
      'x-forwarded-for': '1.2.3.4',
      te: 'trailers',
    });
    expect(status).toBe(200);
    expect(headers['x-request-id']).toMatch(/^[0-9a-f]{24}$/);
    const [method, url, seen] = JSON.parse(body) as [string, string, Record<string, string>];
    expect([method, url]).toEqual(['GET', '/a?b=c']);
    expect(seen).toMatchObject({
      host: `${host}:443`,
      cookie: 'a=1; b=2',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-tenantd-tenant': tenant,
    });
    expect(seen['transfer-encoding']).toBeUndefined();
  });

  test.each([
    ['of a length that it says', { 'content-length': '11' }],
    ['of a length that it does not say', {}],
  ])('has a body %s', async (_, fields) => {
    const edge = await startSecureEdge();
    await edge.http('one', (request, response) => void request.pipe(response));
    expect((await ask(await connect(edge), { ':method': 'POST', ...fields }, 'hello world')).body).toBe('hello world');
  });

  test('may end with trailers, which the app gets', async () => {
    const edge = await startSecureEdge();
    await edge.http('one', (request, response) => void request.resume().on('end', () => response.end(JSON.stringify(request.trailers))));
    const stream = (await connect(edge)).request({ ':method': 'POST', ':path': '/' }, { endStream: false });
    stream.end('x');
    const trailing = (await connect(edge)).request(
      { ':method': 'POST', ':path': '/' },
      {
        endStream: false,
        waitForTrailers: true,
      },
    );
    trailing.on('wantTrailers', () => trailing.sendTrailers({ 'x-sum': '42' }));
    trailing.end('x');
    expect((await answerTo(stream)).body).toBe('{}');
    expect((await answerTo(trailing)).body).toBe('{"x-sum":"42"}');
  });

  test('is held to the length that it says', async () => {
    const edge = await startSecureEdge();
    await edge.http('one', (request, response) => void request.pipe(response));
    const { status } = await ask(await connect(edge), { ':method': 'POST', 'content-length': '5' }, 'hello world');
    expect(status).toBeNaN();
  });

  test('that is reset is ended at the app too, and at once', async () => {
    const edge = await startSecureEdge();
    const { promise: gone, resolve: settleGone } = Promise.withResolvers<void>();
    const { promise: arrived, resolve: settleArrived } = Promise.withResolvers<void>();
    await edge.http('one', (request, response) => {
      response.on('close', settleGone).write('x');
      request.resume();
      settleArrived();
    });
    const stream = (await connect(edge)).request({ ':path': '/' });
    stream.on('error', () => {});
    await arrived;
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await expect(gone).resolves.toBeUndefined();
  });

  test('for another host that the certificate covers is answered; for one that it does not cover it is misdirected', async () => {
    const edge = await startSecureEdge();
    edge.route({ hosts: [hostRoute(host), hostRoute(`www.${host}`), hostRoute(`shop.${host}`)] });
    await edge.http('one', (request, response) => void response.end(request.headers.host));
    const session = await connect(edge);
    expect((await ask(session, { ':authority': `www.${host}` })).body).toBe(`www.${host}`);
    expect((await ask(session, { ':authority': `shop.${host}` })).status).toBe(421);
    expect((await ask(session, { ':authority': 'nobody.example' })).status).toBe(421);
  });

  test.each([
    ['over the size that its tenant accepts', { ':method': 'POST' }, 'x'.repeat(20), 413],
    ['over the size that its tenant accepts, as it says itself', { ':method': 'POST', 'content-length': '20' }, 'x'.repeat(20), 413],
    ['with a method that no proxy takes', { ':method': 'TRACE' }, undefined, 405],
    ['with a head that is too large', { 'x-large': 'y'.repeat(70_000) }, undefined, 431],
  ])('%s is refused', async (_, fields, body, status) => {
    const edge = await startSecureEdge();
    edge.route({ limits: { ...generousLimits, bodySizeBytes: 10 } });
    await edge.http('one', (request, response) => void request.pipe(response));
    const answer = await ask(await connect(edge), fields, body);
    expect(answer.status).toBe(status);
    expect(answer.body).toContain(answer.headers['x-request-id']);
  });
});

describe('a response over HTTP/2', () => {
  test.each([
    ['of a known length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n'],
    ['that ends with its connection', 'HTTP/1.1 200 OK\r\n\r\nhello'],
    ['of HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\nhello'],
  ])('%s has its content, and none of its framing', async (_, text) => {
    const edge = await startSecureEdge();
    await edge.raw('one', (socket) =>
      socket.once('data', () => socket.end(text.replace('200 OK\r\n', '200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n'))),
    );
    const { status, headers, body } = await ask(await connect(edge));
    expect([status, body]).toEqual([200, 'hello']);
    for (const name of ['connection', 'transfer-encoding', 'x-hop', 'keep-alive']) expect(headers[name]).toBeUndefined();
  });

  test.each([
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'],
  ])('%s has no content', async (status, text) => {
    const edge = await startSecureEdge();
    await edge.raw('one', (socket) => socket.once('data', () => socket.write(text)));
    expect(await ask(await connect(edge))).toMatchObject({ status: Number(status), body: '' });
  });

  test('to HEAD says the length that GET would have', async () => {
    const edge = await startSecureEdge();
    await edge.raw('one', (socket) => socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n')));
    const { status, headers, body } = await ask(await connect(edge), { ':method': 'HEAD' });
    expect([status, headers['content-length'], body]).toEqual([200, '5', '']);
  });

  test('ends with trailers, as gRPC needs them', async () => {
    const edge = await startSecureEdge();
    await edge.http('one', (_, response) => {
      response.writeHead(200, { 'content-type': 'application/grpc', trailer: 'grpc-status' });
      response.addTrailers({ 'grpc-status': '0' });
      response.end('message');
    });
    const { body, trailers } = await ask(await connect(edge), { ':method': 'POST', te: 'trailers', 'content-type': 'application/grpc' });
    expect([body, trailers['grpc-status']]).toEqual(['message', '0']);
  });

  test('may have an early one before it', async () => {
    const edge = await startSecureEdge();
    await edge.http('one', (_, response) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload' });
      response.end('late');
    });
    const stream = (await connect(edge)).request({ ':path': '/' });
    const early = once(stream, 'headers') as Promise<[http2.IncomingHttpHeaders]>;
    expect((await answerTo(stream)).body).toBe('late');
    expect((await early)[0]).toMatchObject({ ':status': 103, link: '</style.css>; rel=preload' });
  });

  test('that the app breaks off is reset, so that the client sees that it is not whole', async () => {
    const edge = await startSecureEdge();
    await edge.raw('one', (socket) => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!')));
    const stream = (await connect(edge)).request({ ':path': '/' });
    const failure = once(stream, 'error') as Promise<never>;
    await expect(failure).resolves.toMatchObject([{ code: 'ERR_HTTP2_STREAM_ERROR' }]);
  });

  test('of a tenant with HSTS says so', async () => {
    const edge = await startSecureEdge();
    edge.route({ tls: { redirect: true, hstsSeconds: 60 } });
    await edge.http('one', (_, response) => void response.end());
    expect((await ask(await connect(edge))).headers['strict-transport-security']).toBe('max-age=60');
  });
});

describe('a connection of HTTP/2', () => {
  test('carries a hundred requests at once, large ones too, through small windows', async () => {
    const edge = await startSecureEdge();
    await edge.http('one', (request, response) => void request.pipe(response));
    const session = await connect(edge, { initialWindowSize: 20_000 });
    const text = 'abcdefghij'.repeat(10_000);
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => ask(session, { ':method': 'POST' }, text.slice(index))));
    expect(answers.every(({ status, body }, index) => status === 200 && body === text.slice(index))).toBe(true);
  });

  test('is told to go when the edge ends, and its open request is served first', async () => {
    const edge = await startSecureEdge();
    const { promise: asked, resolve: settleAsked } = Promise.withResolvers<() => void>();
    await edge.http('one', (_, response) => settleAsked(() => void response.end('done')));
    const session = await connect(edge);
    const answer = ask(session);
    const respond = await asked;
    const goaway = once(session, 'goaway');
    const ended = edge.edge.shutdown(5_000);
    await goaway;
    respond();
    expect((await answer).body).toBe('done');
    await ended;
  });

  test('that resets its requests as fast as it makes them is closed, and nobody else notices', async () => {
    const edge = await startSecureEdge();
    await edge.http('one', (request, response) => void (request.url === '/quick' ? response.end('quick') : undefined));
    const attacker = await connect(edge);
    const closed = once(attacker, 'goaway') as Promise<[number]>;
    for (let count = 0; count < 1_000 && !attacker.closed; count++) {
      const stream = attacker.request({ ':path': '/slow' });
      stream.on('error', () => {});
      await new Promise(setImmediate);
      stream.close(http2.constants.NGHTTP2_CANCEL);
    }
    expect((await closed)[0]).toBe(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
    expect((await ask(await connect(edge), { ':path': '/quick' })).body).toBe('quick');
  });

  test('without a request is closed when it was idle for too long', async () => {
    const edge = await startSecureEdge({ idleMs: 50 });
    const session = await connect(edge);
    await expect(once(session, 'close')).resolves.toEqual([]);
  });
});
