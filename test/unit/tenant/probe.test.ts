import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isHealthy, isListening } from '../../../src/tenant/probe.ts';

let dir: string;
let server: Server | undefined;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tenantd-probe-'));
});

afterEach(() => {
  server?.close();
  server = undefined;
  rmSync(dir, { recursive: true });
});

async function answering(text: string): Promise<string> {
  const path = join(dir, 's');
  server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.write(text));
  }).listen(path);
  await once(server, 'listening');
  return path;
}

const soon = (): AbortSignal => AbortSignal.timeout(300);

test.each(['HTTP/1.1 200 OK\r\n', 'HTTP/1.1 204 \r\n', 'HTTP/1.0 302 Found\r\n'])('%j is healthy', async (text) => {
  expect(await isHealthy(await answering(text), '/', soon())).toBe(true);
});

test.each(['HTTP/1.1 500 No\r\n', 'HTTP/1.1 404 No\r\n', 'SSH-2.0-x\r\n', 'x'.repeat(10_000), 'HTTP/1.1 200'])(
  '%j is not',
  async (text) => {
    expect(await isHealthy(await answering(text), '/', soon())).toBe(false);
  },
);

test('nothing that listens is neither listening nor healthy', async () => {
  expect(await isListening(join(dir, 'missing'), soon())).toBe(false);
  expect(await isHealthy(join(dir, 'missing'), '/', soon())).toBe(false);
  expect(await isListening(await answering(''), soon())).toBe(true);
  expect(await isListening(join(dir, 's'), AbortSignal.abort())).toBe(false);
});
