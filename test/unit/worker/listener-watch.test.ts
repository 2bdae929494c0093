import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { expect, test } from 'vitest';
import { awaitDeaf } from '../../../src/worker/listener-watch.ts';

const uid = process.getuid?.() ?? -1;

async function listen(port = 0): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

/** It keeps no process alive, so something else has to. */
async function alive<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1_000);
  return promise.finally(() => clearInterval(timer));
}

test('a program whose listener is gone is deaf, and one that listens is not', async () => {
  const { server, port } = await listen();
  const steady = await listen();
  const order: string[] = [];
  const deaf = awaitDeaf(port, uid, 5).then(() => order.push('deaf'));
  void awaitDeaf(steady.port, uid, 5).then(() => order.push('steady'));
  server.close(() => order.push('closed'));
  await alive(deaf);
  expect(order).toEqual(['closed', 'deaf']);
  steady.server.close();
});

test("another app's listener on its port is not its own", async () => {
  const { server, port } = await listen();
  await alive(awaitDeaf(port, uid + 1, 5));
  expect(server.listening).toBe(true);
  server.close();
});
