import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StallGuard } from '../../../src/edge/stall-guard.ts';
import type { TenantStall } from '../../../src/protocol/edge.ts';

const burstBytes = 4 << 20;
const bursts = 8;
let folder: string;
let burners: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stall-guard-'));
  burners = Array.from({ length: 4 }, () => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
});
afterEach(() => {
  for (const burner of burners) burner.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

function block(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

/** Asks for a burst and reads it whole. */
async function readBurst(socket: Socket): Promise<void> {
  let received = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const count = (bytes: Buffer): void => {
    received += bytes.length;
    if (received >= burstBytes) resolve();
  };
  socket.on('data', count).write('x');
  await promise;
  socket.off('data', count);
}

test('large answers in bursts, to an edge that is late on a machine that is busy, are no stalls', async () => {
  const path = join(folder, 'app.sock');
  const server = createServer((socket) => socket.on('data', () => socket.write(Buffer.alloc(burstBytes)))).listen(path);
  const stalls: TenantStall[] = [];
  const guard = new StallGuard((stall) => stalls.push(stall));
  const socket = connect(path);
  guard.own(socket, 'innocent');
  for (let burst = 0; burst < bursts; burst++) {
    // The guard's timer is late, so it looks closely.
    block(400);
    await readBurst(socket);
  }
  expect(stalls).toEqual([]);
  expect(guard.isAside('innocent')).toBe(false);
  socket.destroy();
  server.close();
});
