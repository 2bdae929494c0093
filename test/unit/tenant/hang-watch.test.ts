import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { awaitHang, silentAfter } from '../../../src/tenant/hang-watch.ts';
import { endsConnections } from '../../../src/tenant/probe.ts';
import { bindSocket } from '../../integration/worker/launched-worker.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tenantd-hang-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true });
});

async function listen(server: Server): Promise<AsyncDisposable & { path: string }> {
  const path = join(dir, 's');
  await once(server.listen(path), 'listening');
  return { path, [Symbol.asyncDispose]: async () => void (await new Promise((resolve) => server.close(resolve))) };
}

describe('silence', () => {
  test('adds up while this process looks in time', () => {
    expect(silentAfter(0, 10_000, 10_000)).toBe(10_000);
    expect(silentAfter(20_000, 13_000, 10_000)).toBe(33_000);
  });

  test('counts from nothing after this process itself was late: throttled, frozen, or its machine asleep', () => {
    expect(silentAfter(50_000, 20_001, 10_000)).toBe(0);
    expect(silentAfter(50_000, 3_600_000, 10_000)).toBe(0);
  });
});

describe('a connection that is ended at once', () => {
  test('is ended by a server whose event loop turns', async () => {
    await using http = await listen(createHttpServer());
    expect(await endsConnections(http.path, AbortSignal.timeout(10_000))).toBe('ended');
  });

  test('is ended by a server that refuses to talk', async () => {
    await using rude = await listen(createServer((socket) => socket.destroy()));
    expect(await endsConnections(rude.path, AbortSignal.timeout(10_000))).toBe('ended');
  });

  test('is left open by one that does not turn, and refused where nobody listens', async () => {
    using bound = listenOnly();
    expect(await endsConnections(bound.path, AbortSignal.timeout(200))).toBe('silent');
    expect(await endsConnections(join(dir, 'missing'), AbortSignal.timeout(10_000))).toBe('refused');
    expect(await endsConnections(bound.path, AbortSignal.abort())).toBe('silent');
  });
});

/** Leaves every connection as it is, as a blocked event loop does. */
function listenOnly(): Disposable & { path: string } {
  const path = join(dir, 'deaf');
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(path);
  return { path, [Symbol.dispose]: () => server.close() };
}

describe('a worker', () => {
  const silent = { limitMs: 300, takeBeat: () => false, ended: new AbortController().signal };

  test('that is silent and leaves connections open is hung', async () => {
    using deaf = listenOnly();
    expect(await awaitHang({ ...silent, socket: deaf.path })).toBe('hung');
  });

  test('that is silent and refuses connections is told as such', async () => {
    bindSocket(join(dir, 'bound')).close();
    expect(await awaitHang({ ...silent, socket: join(dir, 'bound') })).toBe('refuses');
  });

  test('that beats, or ends connections, is not hung until it ends', async () => {
    using deaf = listenOnly();
    await using http = await listen(createHttpServer());
    const ended = new AbortController();
    const { promise, resolve } = Promise.withResolvers<void>();
    let beats = 0;
    const takeBeat = (): boolean => {
      beats += 1;
      if (beats === 20) resolve();
      return true;
    };
    const found = Promise.all([
      awaitHang({ limitMs: 60, socket: deaf.path, takeBeat, ended: ended.signal }),
      awaitHang({ ...silent, socket: http.path, ended: ended.signal }),
    ]);
    await promise;
    ended.abort();
    expect(await found).toEqual(['ended', 'ended']);
  });
});
