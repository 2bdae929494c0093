import { describe, expect, test } from 'vitest';
import { request } from '../../support/client.ts';
import { appRoute, host, hostRoute, startEdge } from './edge-under-test.ts';
import { connectRaw, exchangeRaw, get, statusesOf } from './raw-client.ts';

describe('an app sees', () => {
  test('who it is, the client, and nothing that the client wrote under those names', async () => {
    const { http, port } = await startEdge();
    await http('one', ({ headers, rawHeaders }, response) => response.end(JSON.stringify({ headers, rawHeaders })));
    const spoofed = Object.fromEntries(
      [
        'x-tenantd-tenant',
        'X_Tenantd_App',
        'x-tenantd-context',
        'x-forwarded-for',
        'x_forwarded_host',
        'Forwarded',
        'x-real-ip',
        'X_REQUEST_ID',
      ].map((name) => [name, 'evil']),
    );
    const { text, headers } = await request(port, { host, headers: { ...spoofed, 'x-own': 'kept' } });
    const seen = JSON.parse(text) as { headers: Record<string, string>; rawHeaders: string[] };
    expect(seen.headers).toMatchObject({
      'x-tenantd-tenant': 'acme',
      'x-tenantd-app': 'site',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': host,
      'x-forwarded-port': String(port),
      'x-own': 'kept',
    });
    expect(seen.headers['x-request-id']).toMatch(/^[0-9a-f]{24}$/);
    expect(headers['x-request-id']).toBe(seen.headers['x-request-id']);
    expect(seen.rawHeaders).not.toContain('evil');
  });

  test('the host of an absolute target, whatever Host says', async () => {
    const { http, port } = await startEdge();
    await http('one', (incoming, response) => response.end(`${incoming.headers.host} ${incoming.url}`));
    const text = await exchangeRaw(port, `GET http://${host}:80/p?q HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n`);
    expect(text).toMatch(/acme\.example:80 \/p\?q$/);
  });

  test('the target as it was sent', async () => {
    const { http, port } = await startEdge();
    await http('one', (incoming, response) => response.end(incoming.url));
    const target = '/a/../%7eb?x={|}"<>^`&y=%zz';
    expect(await exchangeRaw(port, get(target, 'Connection: close'))).toContain(`\r\n\r\n${target}`);
  });

  test('two requests with two ids', async () => {
    const { http, port } = await startEdge();
    const ids = new Set<unknown>();
    await http('one', (incoming, response) => {
      ids.add(incoming.headers['x-request-id']);
      response.end();
    });
    await request(port, { host });
    await request(port, { host });
    expect(ids.size).toBe(2);
  });
});

describe('a client gets', () => {
  test.each([
    ['an unknown host', 'unknown.example', '/', 421],
    ['a path without an app', 'paths.example', '/other', 404],
    ['a path that two apps could claim', 'paths.example', '/x/..%2fsite', 400],
  ])('for %s an answer of the edge', async (_, name, path, status) => {
    const { route, port } = await startEdge();
    route({ hosts: [hostRoute('paths.example', { '/site': 'site' })], brandName: 'Acme & Co' });
    const answer = await request(port, { host: name, path });
    expect(answer.status).toBe(status);
    expect(answer.text).toContain(String(answer.headers['x-request-id']));
    expect(answer.text.includes('Acme &amp; Co')).toBe(status !== 421);
  });

  test('a redirect of an alias, to the same path and query and port', async () => {
    const { route, port } = await startEdge();
    route({ hosts: [hostRoute(host), { host: 'www.acme.example', redirectTo: host }] });
    const plain = await request(port, { host: 'www.acme.example', path: '//x/y?z=1' });
    expect([plain.status, plain.headers.location]).toEqual([308, `http://${host}//x/y?z=1`]);
    expect((await request(port, { host: `WWW.acme.example.:${port}` })).headers.location).toBe(`http://${host}:${port}/`);
  });

  test('of a suspended tenant the same page for every host and path, until it is resumed', async () => {
    const { http, route, port } = await startEdge();
    await http('one', (_, response) => response.end('here'));
    const routes = { hosts: [hostRoute(host), { host: 'www.acme.example', redirectTo: host }], apps: [appRoute('ready', ['one'])] };
    route({ ...routes, brandName: 'Acme & Co', suspended: true });
    for (const [name, path] of [
      [host, '/'],
      [host, '/.well-known/tenantd/jwks.json'],
      ['www.acme.example', '/x'],
    ] as const) {
      const answer = await request(port, { host: name, path });
      expect([answer.status, answer.headers['retry-after'], answer.headers['cache-control']]).toEqual([503, undefined, 'no-store']);
      expect(answer.text).toContain('Acme &amp; Co');
    }
    route(routes);
    expect((await request(port, { host })).text).toBe('here');
  });

  test.each([
    ['failed', 502],
    ['stopped', 503],
  ] as const)('for an app that is %s a %i', async (state, status) => {
    const { setApp, port } = await startEdge();
    setApp(state);
    expect((await request(port, { host })).status).toBe(status);
  });

  test('each host, wildcard and path from its own app', async () => {
    const { http, route, port } = await startEdge();
    await http('one', (_, response) => response.end('site'));
    await http('two', (_, response) => response.end('api'));
    route({
      hosts: [hostRoute(host, { '/': 'site', '/api': 'api' }), hostRoute('*.shops.example', { '/': 'api' })],
      apps: [appRoute('ready', ['one']), appRoute('ready', ['two'], 'api')],
    });
    const texts = [];
    for (const [name, path] of [
      [host, '/'],
      [host, '/api/x'],
      ['ACME.example.:99', '/apix'],
      ['a.b.shops.example', '/'],
    ] as const) {
      texts.push((await request(port, { host: name, path })).text);
    }
    expect(texts).toEqual(['site', 'api', 'site', 'api']);
  });
});

describe('one connection', () => {
  test('carries requests one after another, over one connection to the app', async () => {
    const { http, port } = await startEdge();
    const connections = new Set<unknown>();
    await http('one', (incoming, response) => {
      connections.add(incoming.socket);
      response.end(incoming.url);
    });
    const client = await connectRaw(port);
    for (const path of ['/1', '/2', '/3']) {
      client.send(get(path));
      await client.seen(new RegExp(`\r\n\r\n${path}$`));
    }
    expect(connections.size).toBe(1);
  });

  test('answers pipelined requests in order, also when the first is the slowest', async () => {
    const { http, port } = await startEdge();
    const open: string[] = [];
    let finishFirst = (): void => {};
    await http('one', (incoming, response) => {
      open.push(incoming.url ?? '');
      if (incoming.url === '/1') finishFirst = () => response.end('first');
      else response.end(`answer${incoming.url}`);
    });
    const client = await connectRaw(port);
    client.send(`${get('/1')}POST /2 HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 3\r\n\r\nabc${get('/3', 'Host: bad')}`);
    client.send('more');
    await expect.poll(() => open).toEqual(['/1']);
    finishFirst();
    const text = await client.closed();
    expect(statusesOf(text)).toEqual([200, 200, 400]);
    expect(text.indexOf('first')).toBeLessThan(text.indexOf('answer/2'));
  });

  test('goes on after an answer of the edge', async () => {
    const { http, port } = await startEdge();
    await http('one', (_, response) => response.end('fine'));
    const client = await connectRaw(port);
    client.send(`POST / HTTP/1.1\r\nHost: unknown\r\nContent-Length: 3\r\n\r\nabc${get('/', 'Connection: close')}`);
    expect(statusesOf(await client.closed())).toEqual([421, 200]);
  });

  test('may begin with an empty line, and a head may come byte by byte', async () => {
    const { http, port } = await startEdge();
    await http('one', (incoming, response) => response.end(incoming.url));
    const client = await connectRaw(port);
    client.socket.setNoDelay(true);
    for (const character of `\r\n${get('/slow', 'Connection: close')}`) {
      client.send(character);
      await new Promise(setImmediate);
    }
    expect(await client.closed()).toMatch(/\/slow$/);
  });
});

describe('HTTP/1.0', () => {
  test('gets a chunked response without its chunks, and the end of the connection', async () => {
    const { http, port } = await startEdge();
    await http('one', (_, response) => {
      response.write('one,');
      response.end('two');
    });
    const text = await exchangeRaw(port, `GET / HTTP/1.0\r\nHost: ${host}\r\nConnection: keep-alive\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(text).not.toMatch(/transfer-encoding/i);
    expect(text).toMatch(/connection: close\r\n\r\none,two$/);
  });

  test('keeps its connection only if it asks to', async () => {
    const { http, port } = await startEdge();
    await http('one', (incoming, response) => response.setHeader('content-length', 2).end(incoming.url));
    const client = await connectRaw(port);
    client.send(`GET /1 HTTP/1.0\r\nHost: ${host}\r\nConnection: Keep-Alive\r\n\r\n`);
    await client.seen(/connection: keep-alive\r\n\r\n\/1$/);
    client.send(`GET /2 HTTP/1.0\r\nHost: ${host}\r\n\r\n`);
    expect(await client.closed()).toMatch(/connection: close\r\n\r\n\/2$/);
  });

  test('without a host is served by nobody', async () => {
    const { port } = await startEdge();
    expect(statusesOf(await exchangeRaw(port, 'GET / HTTP/1.0\r\n\r\n'))).toEqual([421]);
  });
});

describe('a response', () => {
  test('to HEAD, and of status 204 and 304, has no body, and the connection goes on', async () => {
    const { raw, port } = await startEdge();
    await raw('one', (socket) => {
      socket.on('data', (bytes: Buffer) => {
        const path = /\/\w+/.exec(String(bytes))?.[0];
        if (path === '/head') socket.write('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n');
        else if (path === '/none') socket.write('HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n');
        else if (path === '/same') socket.write('HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: "a"\r\n\r\n');
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast');
      });
    });
    const client = await connectRaw(port);
    client.send(`HEAD /head HTTP/1.1\r\nHost: ${host}\r\n\r\n${get('/none')}${get('/same')}${get('/last', 'Connection: close')}`);
    const [head = '', none = '', same = '', last = ''] = (await client.closed()).split(/(?=HTTP\/1\.1)/);
    expect(head).toMatch(/Content-Length: 99\r\n/);
    expect(none).not.toMatch(/content-length/i);
    expect(same).toMatch(/Content-Length: 99\r\nETag: "a"\r\n/);
    expect(last).toMatch(/\r\n\r\nlast$/);
  });

  test('keeps its chunks and trailers', async () => {
    const { http, port } = await startEdge();
    await http('one', (_, response) => {
      response.setHeader('trailer', 'x-sum');
      response.write('body');
      response.addTrailers({ 'x-sum': '7' });
      response.end();
    });
    const client = await connectRaw(port);
    client.send(get('/'));
    expect(await client.seen(/\r\n\r\n$/s)).toMatch(/4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n$/);
  });

  test('that ends with its connection ends that of the client', async () => {
    const { raw, port } = await startEdge();
    await raw('one', (socket) => socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nall of it')));
    const text = await exchangeRaw(port, get('/'));
    expect(text).toMatch(/connection: close\r\n\r\nall of it$/);
  });

  test('may be announced: 100 Continue and 103 Early Hints pass', async () => {
    const { http, port } = await startEdge();
    await http('one', (incoming, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      incoming.on('data', (bytes: Buffer) => response.end(`got ${String(bytes)}`));
    });
    const client = await connectRaw(port);
    client.send(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`);
    await client.seen(/HTTP\/1\.1 100 Continue\r\n\r\n/);
    client.send('body');
    const text = await client.closed();
    expect(statusesOf(text)).toEqual([100, 103, 200]);
    expect(text).toContain('got body');
  });

  test('that comes before the body was sent reaches the client, whose connection then ends', async () => {
    const { http, port } = await startEdge();
    await http('one', (_, response) => response.writeHead(403).end('no'));
    const client = await connectRaw(port);
    client.send(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000000\r\n\r\nbegin`);
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 403 [^]*connection: close\r\n/);
  });
});
