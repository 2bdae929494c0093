import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createAccessLogs } from '../../../src/edge/access-log.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { type EdgeUnderTest, host, startEdge, tenant } from './edge-under-test.ts';
import { connectRaw, exchangeRaw, get } from './raw-client.ts';

const close = 'Connection: close';

interface Logged extends EdgeUnderTest {
  /** What is logged by now, of a tenant or of nobody. */
  lines: (folder?: string) => Promise<Record<string, unknown>[]>;
}

async function startLogged(): Promise<Logged> {
  const directory = mkdtempSync(join(tmpdir(), 'access-'));
  const accessLogs = createAccessLogs({
    directory,
    place: 0,
    places: 1,
    maxBytes: 1 << 20,
    keep: 1,
    nowMs: Date.now,
    reportFault: () => {},
  });
  onTestFinished(async () => {
    await accessLogs.close();
    rmSync(directory, { recursive: true });
  });
  const edge = await startEdge({}, { accessLogs });
  return {
    ...edge,
    async lines(folder = tenant) {
      await accessLogs.flush();
      const text = readFileSync(`${directory}/${folder}/access.0.log`, 'utf8');
      return text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    },
  };
}

describe('the access log has', () => {
  test('a request and its response, without its query', async () => {
    const edge = await startLogged();
    await edge.http('one', (request, response) => void request.resume().on('end', () => response.end('hello')));
    await exchangeRaw(edge.port, `${get('/a/b?token=secret', close, 'Cookie: secret', 'Content-Length: 3').replace('GET', 'POST')}abc`);
    const [line, ...more] = await edge.lines();
    expect(more).toEqual([]);
    expect(line).toMatchObject({
      ...{ client: '127.0.0.1', method: 'POST', host, path: '/a/b', status: 200, bytesIn: 3, app: 'site', release: 'local' },
      ...{ protocol: 'HTTP/1.1', outcome: 'ok' },
    });
    expect(JSON.stringify(line)).not.toContain('secret');
    expect(line?.['requestId']).toMatch(/^[0-9a-f]{24}$/);
    expect(Number(line?.['ms'])).toBeGreaterThanOrEqual(Number(line?.['appMs']));
  });

  test('what the edge answered itself, and why', async () => {
    const edge = await startLogged();
    edge.route({ limits: { ...generousLimits, bodySizeBytes: 1 } });
    await exchangeRaw(edge.port, get('/', 'Content-Length: 2', close));
    await exchangeRaw(edge.port, get('/', close));
    edge.setApp('failed');
    await exchangeRaw(edge.port, get('/', close));
    expect((await edge.lines()).map(({ status, outcome }) => [status, outcome])).toEqual([
      [413, 'too-large'],
      [502, 'app-unreachable'],
      [502, 'app-failed'],
    ]);
  });

  test('requests of nobody in a log of their own', async () => {
    const edge = await startLogged();
    await exchangeRaw(edge.port, get('/', close).replace(host, 'nobody.example'));
    await exchangeRaw(edge.port, 'nonsense\r\n\r\n');
    expect((await edge.lines('-')).map(({ status, outcome }) => [status, outcome])).toEqual([
      [421, 'misdirected'],
      [400, 'malformed'],
    ]);
  });

  test('a client that went away, and a response that was not whole', async () => {
    const edge = await startLogged();
    await edge.raw('one', (socket) => {
      socket.once('data', (bytes) => {
        if (bytes.includes('/short')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!');
      });
    });
    await exchangeRaw(edge.port, get('/short', close));
    const client = await connectRaw(edge.port);
    client.send(get('/'));
    await edge.seen(() => edge.tenantState().admission.active === 1);
    client.socket.resetAndDestroy();
    await edge.seen(() => edge.tenantState().admission.active === 0);
    expect((await edge.lines()).map(({ path, status, outcome }) => [path, status, outcome])).toEqual([
      ['/short', 200, 'cut'],
      ['/', 0, 'client-gone'],
    ]);
  });

  test('a tunnel when it has ended, with the bytes of both directions', async () => {
    const edge = await startLogged();
    await edge.raw('one', (socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
        socket.on('data', (bytes: Buffer) => void socket.write(Buffer.concat([bytes, bytes]))).on('end', () => socket.end());
      });
    });
    const client = await connectRaw(edge.port);
    client.send(get('/', 'Connection: Upgrade', 'Upgrade: websocket'));
    await client.seen(/ 101 /);
    client.send('12345');
    await client.seen(/1234512345$/);
    client.socket.end();
    await edge.seen(() => edge.tenantState().webSockets === 0);
    expect(await edge.lines()).toMatchObject([{ status: 101, protocol: 'websocket', bytesIn: 5, bytesOut: 10, outcome: 'ok' }]);
  });
});
