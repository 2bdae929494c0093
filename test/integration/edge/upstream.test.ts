import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { request } from '../../support/client.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { host, startEdge } from './edge-under-test.ts';
import { connectRaw, exchangeRaw, get, statusesOf } from './raw-client.ts';

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const post = `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 4\r\n\r\nbody`;

/** Answers each request in turn as the list says; counts them. */
function scripted(answers: ((socket: Socket) => void)[]): { seen: string[]; onConnection: (socket: Socket) => void } {
  const seen: string[] = [];
  return {
    seen,
    onConnection: (socket) =>
      void socket.on('data', (bytes: Buffer) => {
        seen.push(String(bytes));
        answers[seen.length - 1]?.(socket);
      }),
  };
}

describe('a worker that can not be reached', () => {
  test('is passed over for another one, also by a request with a body', async () => {
    const { http, setApp, port } = await startEdge();
    await http('two', (incoming, response) => void incoming.on('data', (bytes: Buffer) => response.end(bytes)));
    setApp('ready', 'gone', 'two');
    for (let round = 0; round < 4; round++) expect((await request(port, { host, method: 'POST', body: 'body' })).text).toBe('body');
  });

  test('is a 502 when it is the only one, and the fault names the app and the request', async () => {
    const { port, faults } = await startEdge();
    const answer = await request(port, { host });
    expect(answer.status).toBe(502);
    expect(answer.text).not.toMatch(/one|sock|ENOENT/);
    expect(faults).toEqual([`acme/site: no connection to the app (request ${String(answer.headers['x-request-id'])})`]);
  });

  test('because its queue is full is a 503 with retry-after', async () => {
    const { socketPath, port, route } = await startEdge();
    route({ limits: { ...generousLimits, responseTimeoutMs: 20 } });
    await startDeafWorker(socketPath('one'));
    const statuses: number[] = [];
    while (statuses.length < 10 && !statuses.includes(503)) statuses.push((await request(port, { host })).status);
    expect(statuses.at(-1)).toBe(503);
  });
});

/** A worker that listens with room for one connection, and is then busy for ever. */
async function startDeafWorker(path: string): Promise<void> {
  const program = `require('net').createServer().listen({ path: process.argv[1], backlog: 1 }, () => {
    require('fs').writeSync(1, 'listening');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  })`;
  const child = spawn(process.execPath, ['-e', program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
}

describe('a worker that dies before it answers', () => {
  test('is tried once more for a request that may be repeated', async () => {
    const { raw, port } = await startEdge();
    const { seen, onConnection } = scripted([(socket) => socket.end(), (socket) => socket.write(ok)]);
    await raw('one', onConnection);
    expect((await request(port, { host })).text).toBe('ok');
    expect(seen).toHaveLength(2);
  });

  test('is tried no third time', async () => {
    const { raw, port } = await startEdge();
    const { seen, onConnection } = scripted([(socket) => socket.end(), (socket) => socket.end(), (socket) => socket.write(ok)]);
    await raw('one', onConnection);
    expect((await request(port, { host })).status).toBe(502);
    expect(seen).toHaveLength(2);
  });

  test('is not tried again for a POST that it has read', async () => {
    const { raw, port } = await startEdge();
    const { seen, onConnection } = scripted([(socket) => socket.write(ok), (socket) => socket.end(), (socket) => socket.write(ok)]);
    await raw('one', onConnection);
    const client = await connectRaw(port);
    client.send(post);
    await client.seen(/ok$/);
    client.send(post);
    await client.seen(/502 Bad Gateway/);
    expect(seen).toHaveLength(2);
  });

  test('is tried again for a POST that it can not have read', async () => {
    const { serve, port } = await startEdge();
    const sockets: Socket[] = [];
    // Answers without reading anything, so that each request stays where the kernel keeps it.
    await serve(
      'one',
      createServer({ pauseOnConnect: true }, (socket) => {
        sockets.push(socket);
        socket.write(ok);
      }),
    );
    const client = await connectRaw(port);
    client.send(post);
    await client.seen(/ok$/);
    client.send(post);
    // It is on its way to the app when a later one was answered.
    expect((await request(port, { host })).text).toBe('ok');
    sockets[0]?.destroy();
    expect(statusesOf(await client.seen(/ok[^]*ok$/))).toEqual([200, 200]);
    expect(sockets).toHaveLength(3);
  });

  test('after part of its body came is not tried again', async () => {
    const { raw, port } = await startEdge();
    const { seen, onConnection } = scripted([() => {}, (socket) => socket.destroy(), (socket) => socket.write(ok)]);
    await raw('one', onConnection);
    const client = await connectRaw(port);
    client.send(`PUT / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 8\r\n\r\nbody`);
    await expect.poll(() => seen.length).toBe(1);
    client.send('more');
    expect(statusesOf(await client.seen(/<\/small>/))).toEqual([502]);
    expect(seen).toHaveLength(2);
  });
});

describe('requests are spread', () => {
  test('to the worker with the fewest open ones', async () => {
    const { http, setApp, port } = await startEdge();
    const open: Record<string, number> = { one: 0, two: 0, three: 0 };
    const finish: (() => void)[] = [];
    for (const file of Object.keys(open)) {
      await http(file, (_, response) => {
        open[file] = (open[file] ?? 0) + 1;
        finish.push(() => response.end());
      });
    }
    setApp('ready', 'one', 'two', 'three');
    const requests = Array.from({ length: 9 }, () => request(port, { host }));
    await expect.poll(() => open).toEqual({ one: 3, two: 3, three: 3 });
    for (const end of finish) end();
    expect(new Set((await Promise.all(requests)).map(({ status }) => status))).toEqual(new Set([200]));
  });
});

describe('a request for an app that starts', () => {
  test('is held with its body, and answered when the app is ready', async () => {
    const { http, setApp, port } = await startEdge();
    setApp('starting');
    await http('one', (incoming, response) => {
      let body = '';
      incoming.on('data', (bytes: Buffer) => (body += String(bytes))).on('end', () => response.end(body));
    });
    const client = await connectRaw(port);
    client.send(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 8\r\n\r\nbody`);
    const other = request(port, { host, method: 'POST', body: 'other' });
    // One that is answered at once shows that the edge has read those before.
    expect((await request(port, { host: 'unknown' })).status).toBe(421);
    client.send('more');
    setApp('ready', 'one');
    await client.seen(/bodymore$/);
    expect((await other).text).toBe('other');
  });

  test('gets a 503 with retry-after when that takes too long', async () => {
    const { setApp, port } = await startEdge({ holdMs: 50 });
    setApp('starting');
    const answer = await request(port, { host });
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '5']);
  });

  test('gets the answer of the state that it comes to', async () => {
    const { setApp, port } = await startEdge();
    setApp('starting');
    const held = request(port, { host });
    expect((await request(port, { host: 'unknown' })).status).toBe(421);
    setApp('failed');
    expect((await held).status).toBe(502);
  });

  test('is turned away when too many wait already; those that left do not count', async () => {
    const { http, setApp, port } = await startEdge({ heldRequestsMost: 2 });
    await http('one', (_, response) => response.end('ready'));
    setApp('starting');
    const [first, second] = [await connectRaw(port), await connectRaw(port)];
    first.send(get('/'));
    second.send(get('/'));
    const refused = await request(port, { host });
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
    first.socket.resetAndDestroy();
    // The edge has seen that, and then what the third sent, when it answers something later.
    expect((await request(port, { host: 'unknown' })).status).toBe(421);
    const third = await connectRaw(port);
    third.send(get('/'));
    expect((await request(port, { host })).status).toBe(503);
    expect(third.text()).toBe('');
    setApp('ready', 'one');
    await second.seen(/ready$/);
    await third.seen(/ready$/);
  });
});

describe('an upstream that is unlisted', () => {
  test('loses its idle connections at once, and finishes what is open', async () => {
    const { http, setApp, edge, port } = await startEdge();
    let finish = (): void => {};
    const connections = await http('one', (incoming, response) => {
      if (incoming.url === '/slow') finish = () => response.end('slow');
      else response.end('fast');
    });
    await http('two', (_, response) => response.end('two'));
    const slow = request(port, { host, path: '/slow' });
    await expect.poll(() => connections.size).toBe(1);
    expect((await request(port, { host })).text).toBe('fast');
    expect(connections.size).toBe(2);
    setApp('ready', 'two');
    await expect.poll(() => connections.size).toBe(1);
    expect((await request(port, { host })).text).toBe('two');
    expect(await edge.drainUpstream('site.one', 20)).toBe(false);
    const drained = edge.drainUpstream('site.one', 5_000);
    finish();
    expect(await drained).toBe(true);
    expect((await slow).text).toBe('slow');
    await expect.poll(() => connections.size).toBe(0);
  });

  test('that nobody knows is drained', async () => {
    const { edge } = await startEdge();
    expect(await edge.drainUpstream('unknown', 1_000)).toBe(true);
  });
});

describe('what takes too long', () => {
  test('a head that comes drop by drop is a 408', async () => {
    const { port } = await startEdge({ headMs: 60 });
    const client = await connectRaw(port);
    const drip = setInterval(() => client.send('x'), 10);
    client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\nx: `);
    expect(statusesOf(await client.closed())).toEqual([408]);
    clearInterval(drip);
  });

  test('a connection without a request is closed', async () => {
    const { port } = await startEdge({ idleMs: 40 });
    expect(await (await connectRaw(port)).closed()).toBe('');
  });

  test('a body that stops is a 408', async () => {
    const { raw, port } = await startEdge({ bodyStallMs: 40 });
    const open = await raw('one', (socket) => void socket.resume());
    expect(statusesOf(await exchangeRaw(port, `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 9\r\n\r\nbody`))).toEqual([408]);
    await expect.poll(() => open.size).toBe(0);
  });

  test('an app that does not answer is a 504', async () => {
    const { raw, port, route } = await startEdge();
    route({ limits: { ...generousLimits, responseTimeoutMs: 40 } });
    const open = await raw('one', (socket) => void socket.resume());
    expect((await request(port, { host })).status).toBe(504);
    await expect.poll(() => open.size).toBe(0);
  });

  test('a client that takes nothing of its response is cut', async () => {
    const { http, port } = await startEdge({ clientStallMs: 60 });
    const open = await http('one', (_, response) => response.end(Buffer.alloc(64 << 20)));
    const client = await connectRaw(port);
    client.socket.pause();
    client.send(get('/'));
    await expect.poll(() => open.size).toBe(1);
    await expect.poll(() => open.size, { timeout: 5_000 }).toBe(0);
  });

  test('an idle connection to an app is closed before the app closes it', async () => {
    const { http, port } = await startEdge({ upstreamIdleMs: 40 });
    const open = await http('one', (_, response) => response.end('ok'));
    expect((await request(port, { host })).text).toBe('ok');
    expect(open.size).toBe(1);
    await expect.poll(() => open.size).toBe(0);
  });
});
