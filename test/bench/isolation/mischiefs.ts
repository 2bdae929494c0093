import { ask } from '../../root/probe.ts';
import type { TestDaemon } from '../../support/test-daemon.ts';
import type { Flood } from './flood-process.ts';
import { runProcess } from './run-process.ts';

/** How often the bad one got what, by what stopped it. */
export type Outcomes = Record<string, number>;

export interface Mischief {
  name: string;
  tenant: 'bad' | 'greedy';
  run(daemon: TestDaemon, seconds: number): Promise<Outcomes>;
}

function inApp(name: string, probe: string, input: object = {}, tenant: Mischief['tenant'] = 'bad'): Mischief {
  return {
    name,
    tenant,
    run: (daemon, seconds) =>
      ask<Outcomes>(daemon, `${tenant}/site`, probe, { input: { seconds, ...input }, timeoutMs: (seconds + 15) * 1_000 }),
  };
}

function byClients(name: string, kind: Flood['kind'], connections: number, tenant: Mischief['tenant'] = 'bad'): Mischief {
  return {
    name,
    tenant,
    run: ({ port }, seconds) =>
      runProcess<Outcomes>('./flood-process.ts', { kind, port, host: `${tenant}.test`, seconds, connections } satisfies Flood),
  };
}

export const mischiefs: readonly Mischief[] = [
  inApp('fork bomb', 'forkBomb'),
  inApp('memory bomb, again and again', 'memoryBomb'),
  inApp('processor, 16 processes', 'spin', { processes: 16 }),
  inApp('fills /data, again and again', 'fillAgain', { folder: '/data' }),
  inApp('fills /tmp, again and again', 'fillAgain', { folder: '/tmp' }),
  inApp('files in /data', 'makeFilesAgain', { folder: '/data' }),
  inApp('files in /tmp', 'makeFilesAgain', { folder: '/tmp' }),
  inApp('descriptors in 10 processes', 'holdDescriptors', { processes: 10 }),
  inApp('10,000 listening Unix sockets', 'holdUnixSockets', { count: 10_000 }),
  inApp('200 MB in TCP buffers', 'fillTcpBuffers', { megabytes: 200 }),
  inApp('prints without end', 'printMuch'),
  byClients('1,500 clients, a connection each time', 'connections', 1_500),
  byClients('200 clients, requests without pause', 'requests', 200),
  byClients('2,000 heads that never end', 'slow-heads', 2_000),
  byClients('200 clients, no rate limit', 'requests', 200, 'greedy'),
  byClients('1,000 clients that hardly read, no rate limit', 'slow-readers', 1_000, 'greedy'),
  inApp('fork bomb, with all processors', 'forkBomb', {}, 'greedy'),
  inApp('processor, 16 processes, with all', 'spin', { processes: 16 }, 'greedy'),
  inApp('prints without end, with all', 'printMuch', {}, 'greedy'),
  inApp('fills /data, with all processors', 'fillAgain', { folder: '/data' }, 'greedy'),
];
