import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { launchWorker } from './launched-worker.ts';

const node = { kind: 'node', entry: 'server.js' } as const;

describe('a module that exports fetch()', () => {
  test("gets the client's URL and the edge's word on tenant, app and request", async () => {
    await using worker = launchWorker('fetch-handler', node);
    await worker.listening();
    const headers = {
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'shop.example:8443',
      'x-tenantd-tenant': 'acme',
      'x-tenantd-app': 'shop',
      'x-request-id': 'r1',
    };
    const { body } = await worker.ask('/?q=1', { headers });
    const url = 'https://shop.example:8443/?q=1';
    expect(JSON.parse(body)).toEqual({ url, method: 'GET', tenant: 'acme', app: 'shop', requestId: 'r1' });
    expect((await worker.ask('//evil.example/x')).body).toBe('no //evil.example/x');
  });

  test('streams bodies both ways', async () => {
    await using worker = launchWorker('fetch-handler', node);
    await worker.listening();
    const body = 'x'.repeat(300_000);
    const answer = await worker.ask('/echo', { method: 'POST', body, headers: { 'content-type': 'text/plain' } });
    expect(answer.headers['content-type']).toBe('text/plain');
    expect(answer.body).toBe(body);
  });

  test('keeps several cookies apart and sends no body where none may be', async () => {
    await using worker = launchWorker('fetch-handler', node);
    await worker.listening();
    const cookies = await worker.ask('/cookies');
    expect(cookies).toMatchObject({ status: 204, body: '' });
    expect(cookies.headers['set-cookie']).toEqual(['a=1; Path=/', 'b=2; Path=/']);
    expect(await worker.ask('/not-modified')).toMatchObject({ status: 304, body: '' });
    expect(await worker.ask('/', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
  });

  test('answers 500 when it throws or gives no Response, and prints why', async () => {
    await using worker = launchWorker('fetch-handler', node);
    await worker.listening();
    expect(await worker.ask('/throw')).toMatchObject({ status: 500, body: 'Internal Server Error\n' });
    await worker.shows('Error: thrown by the handler');
    expect((await worker.ask('/no-response')).status).toBe(500);
    await worker.shows('did not answer with a Response');
    expect((await worker.ask('/')).status).toBe(200);
  });

  test('cuts the connection when its body breaks off, so that no client takes it for whole', async () => {
    await using worker = launchWorker('fetch-handler', node);
    await worker.listening();
    await expect(worker.ask('/breaks')).rejects.toThrow(/aborted|hang up/);
    await worker.shows('the source broke');
  });

  test('answers 400 to a method or host that no Request can have', async () => {
    await using worker = launchWorker('fetch-handler', node);
    await worker.listening();
    expect((await worker.ask('/', { method: 'TRACE' })).status).toBe(400);
    expect((await worker.ask('/', { headers: { host: 'a b' } })).status).toBe(400);
  });

  test('is told when the client leaves', async () => {
    await using worker = launchWorker('fetch-handler', node);
    await worker.listening();
    const socket = connect(worker.socketPath);
    socket.write('GET /endless HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(socket, 'data');
    socket.destroy();
    await worker.shows('the client left');
    await worker.shows('the body was cancelled');
    expect((await worker.ask('/')).status).toBe(200);
  });

  test('finishes what it gave to waitUntil before it ends', async () => {
    await using worker = launchWorker('fetch-handler', node);
    await worker.listening();
    expect((await worker.ask('/later')).status).toBe(202);
    worker.child.kill('SIGTERM');
    expect(await worker.exited).toEqual([0, null]);
    await worker.shows('done later');
  });

  test('may be CommonJS', async () => {
    await using worker = launchWorker('exports-fetch', node);
    await worker.listening();
    expect((await worker.ask('/')).body).toBe('from CommonJS');
  });
});
