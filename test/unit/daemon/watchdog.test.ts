import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { countStates } from '../../../src/daemon/notify.ts';
import { startWatchdog } from '../../../src/daemon/watchdog.ts';
import { createChannel } from '../../../src/protocol/channel.ts';

/** A control socket on which `answer` treats each connection. */
async function watch(answer: (stream: net.Socket) => void) {
  const directory = mkdtempSync(join(tmpdir(), 'tenantd-watchdog-'));
  const socket = join(directory, 'operator.sock');
  const streams = new Set<net.Socket>();
  const server = net.createServer((stream) => {
    streams.add(stream);
    answer(stream);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const heard = Promise.withResolvers<string>();
  const stop = startWatchdog({
    manager: { everyMs: 50, alive: (status) => heard.resolve(`alive: ${status}`) },
    socket,
    statusText: () => '2 tenants: 2 running',
    log: { debug() {}, info() {}, warn: (fields) => heard.resolve(`not alive: ${JSON.stringify(fields)}`), error() {} },
  });
  onTestFinished(() => {
    stop();
    for (const stream of streams) stream.destroy();
    server.close();
    rmSync(directory, { recursive: true });
  });
  return heard.promise;
}

test('a daemon whose control socket answers is alive', async () => {
  expect(await watch((stream) => void createChannel({ stream, handlers: {} }))).toBe('alive: 2 tenants: 2 running');
});

test('a daemon that accepts and does not answer is not', async () => {
  expect(await watch(() => {})).toMatch(/^not alive: /);
});

test('a daemon that hangs up is not', async () => {
  expect(await watch((stream) => stream.destroy())).toMatch(/^not alive: /);
});

test('states are counted in words', () => {
  const tenants = (['running', 'sleeping', 'running'] as const).map((state) => ({ life: () => ({ state, sinceMs: 0 }) }));
  expect(countStates(tenants)).toBe('3 tenants: 2 running, 1 sleeping');
  expect(countStates([])).toBe('0 tenants');
});
