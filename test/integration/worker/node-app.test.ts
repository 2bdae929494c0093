import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { launchWorker } from './launched-worker.ts';

const node = { kind: 'node', entry: 'server.js' } as const;

describe('a Node app that asks for a TCP port', () => {
  test('is reached on the inherited socket and believes that it listens where it asked to', async () => {
    await using worker = launchWorker('answers', node);
    await worker.listening();
    await worker.shows('listening {"address":"127.0.0.1","family":"IPv4","port":3000}');
    const { body } = await worker.ask('/x?y=1');
    expect(JSON.parse(body)).toMatchObject({ url: '/x?y=1', remoteAddress: '127.0.0.1', remoteFamily: 'IPv4', localPort: 3000 });
  });

  test('is its own main module, as CommonJS and as an ES module, found without its extension too', async () => {
    await using commonjs = launchWorker('answers', { kind: 'node', entry: './server' });
    await using esm = launchWorker('answers-esm', node);
    await commonjs.listening();
    await esm.listening();
    expect((await esm.ask('/')).body).toBe('esm');
    await esm.shows('"port":20000');
    await commonjs.shows('answers/server');
  });

  test('finds its home folder made', async () => {
    await using worker = launchWorker('answers', node);
    await worker.listening();
    expect(existsSync(worker.socketPath.replace(/s$/, 'home'))).toBe(true);
  });

  test('is found by its package.json when its entry is a folder', async () => {
    await using worker = launchWorker('answers', { kind: 'node', entry: '.' });
    await worker.listening();
    expect((await worker.ask('/')).status).toBe(200);
  });

  test('echoes WebSocket frames', async () => {
    await using worker = launchWorker('websocket-echo', node);
    await worker.listening();
    const socket = connect(worker.socketPath);
    socket.write(
      'GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    const [head] = (await once(socket, 'data')) as [Buffer];
    expect(head.toString()).toContain('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    socket.write(Buffer.from([0x81, 0x82, 1, 2, 3, 4, 0x68 ^ 1, 0x69 ^ 2]));
    const [frame] = (await once(socket, 'data')) as [Buffer];
    expect(frame.subarray(2).toString()).toBe('hi');
    socket.destroy();
  });
});

describe('a Node app with several servers', () => {
  test('is reached at the first; where the second listens is noted', async () => {
    await using worker = launchWorker('listens-twice', node);
    await worker.shows('metrics ');
    await worker.shows('also listens on port 0 inside its sandbox');
    expect((await worker.ask('/')).body).toBe('first');
    const port = /metrics (\d+)/.exec(worker.printed())?.[1];
    const second = await fetch(`http://127.0.0.1:${port}/`);
    expect(await second.text()).toBe('second');
  });

  test('may open one for each address of localhost, as Fastify does', async () => {
    await using worker = launchWorker('localhost-twice', node);
    await worker.shows('second {"address":"127.0.0.1","family":"IPv4","port":3000}');
    expect((await worker.ask('/')).body).toBe('main');
    expect(worker.reports).toEqual([{ event: 'listening' }]);
  });

  test('may search for a free port first', async () => {
    await using worker = launchWorker('probes-ports', node);
    await worker.listening();
    expect((await worker.ask('/')).body).toBe('after the probe');
  });

  test('may be a cluster: the primary shares the socket out', async () => {
    await using worker = launchWorker('clusters', node);
    await worker.shows('cluster {"address":"127.0.0.1","family":"IPv4","port":3000}');
    await worker.listening();
    expect((await worker.ask('/')).body).toMatch(/^cluster worker [12]$/);
  });

  test('may serve https, whose TLS the edge has ended already', async () => {
    await using worker = launchWorker('serves-https', node);
    await worker.listening();
    await worker.shows('TLS ends at the edge');
    expect((await worker.ask('/')).body).toBe('encrypted true');
  });
});

describe('a Node app that ends', () => {
  test('at once, keeps its code and what it printed', async () => {
    await using worker = launchWorker('exits-at-once', node);
    expect(await worker.exited).toEqual([1, null]);
    await worker.shows('DATABASE_URL is not set');
    expect(worker.reports).toEqual([]);
  });

  test('by itself, is not kept alive by the shim', async () => {
    await using worker = launchWorker('ends-by-itself', node);
    expect(await worker.exited).toEqual([0, null]);
  });

  test('because its entry is missing, names the file', async () => {
    await using worker = launchWorker('answers', { kind: 'node', entry: 'missing.js' });
    expect(await worker.exited).toEqual([1, null]);
    await worker.shows('Cannot find module');
    await worker.shows('answers/missing.js');
  });

  test('by a later throw, prints the stack once', async () => {
    await using worker = launchWorker('throws-later', node);
    await worker.listening();
    await worker.ask('/throw');
    expect(await worker.exited).toEqual([1, null]);
    expect(worker.printed().match(/Error: thrown later/g)).toHaveLength(1);
  });
});

describe('SIGTERM', () => {
  test('lets a request that is open finish, on a connection that is kept alive, and ends with 0', async () => {
    await using worker = launchWorker('answers', node);
    await worker.listening();
    const socket = connect(worker.socketPath);
    socket.write('GET /slow HTTP/1.1\r\nhost: x\r\n\r\n');
    await worker.ask('/'); // By now the first request was read too.
    worker.child.kill('SIGTERM');
    const startedAtMs = performance.now();
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toContain('200 OK');
    expect(await worker.exited).toEqual([0, null]);
    expect(performance.now() - startedAtMs).toBeLessThan(2_000);
    socket.destroy();
  });

  test("is the app's alone when it listens for it", async () => {
    await using worker = launchWorker('own-sigterm', node);
    await worker.listening();
    worker.child.kill('SIGTERM');
    expect(await worker.exited).toEqual([7, null]);
    await worker.shows('SIGTERM listeners: 1');
  });

  test('can be ignored', async () => {
    await using worker = launchWorker('ignores-sigterm', node);
    await worker.listening();
    worker.child.kill('SIGTERM');
    await worker.shows('SIGTERM? no');
    expect((await worker.ask('/')).body).toBe('still here');
  });
});
