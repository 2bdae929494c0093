import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { awaitListening } from '../../../src/daemon/await-listening.ts';

/** A name that nothing is bound to yet. */
function freeName(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tenantd-listening-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'worker.sock');
}

async function listenOn(start: (server: net.Server) => void): Promise<net.Server> {
  const server = net.createServer();
  start(server);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return server;
}

test('a socket that listens is known at once, by a connection that is closed and says nothing', async () => {
  const path = freeName();
  const server = await listenOn((made) => made.listen(path));
  const accepted = once(server, 'connection') as Promise<[net.Socket]>;
  expect(await awaitListening(path, { signal: new AbortController().signal })).toBe(true);
  const [connection] = await accepted;
  connection.resume();
  await once(connection, 'end');
  expect(connection.bytesRead).toBe(0);
});

test('one that is bound is not taken for one that listens, and is known when it does', async () => {
  const path = freeName();
  const bound = new net.BoundSocket({ path } as net.BoundSocketOptions);
  let tries = 0;
  const { promise: triedBefore, resolve } = Promise.withResolvers<void>();
  const own = (): void => void ((tries += 1) === 3 && resolve());
  const listening = awaitListening(path, { signal: new AbortController().signal, intervalMs: 1, own });
  let isKnown = false;
  void listening.then(() => (isKnown = true));
  await triedBefore;
  expect(isKnown).toBe(false);
  await listenOn((made) => made.listen(bound));
  expect(await listening).toBe(true);
  const before = tries;
  await new Promise(setImmediate);
  expect(tries).toBe(before);
});

test('nobody waits for one whose worker has ended', async () => {
  const ended = new AbortController();
  const { promise: tried, resolve } = Promise.withResolvers<void>();
  const listening = awaitListening(freeName(), { signal: ended.signal, own: () => resolve() });
  await tried;
  ended.abort();
  expect(await listening).toBe(false);
  expect(await awaitListening(freeName(), { signal: ended.signal })).toBe(false);
});
