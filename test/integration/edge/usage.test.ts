import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import type { UsageFigures } from '../../../src/protocol/usage-calls.ts';
import { request } from '../../support/client.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { until } from '../../support/until.ts';
import { appRoute, host, hostRoute, tenant } from './edge-under-test.ts';
import { type FakeDaemon, type MasterUnderTest, startMaster } from './master-under-test.ts';
import { createUsageLedger, type UsageLedger } from './usage-ledger.ts';

const answerBytes = 1_000;
const bodyBytes = 37;

function sendRoutes({ channel }: FakeDaemon): void {
  channel.notify('snapshot-begin', {});
  channel.notify('set-tenant', {
    ...{ tenant, hosts: [hostRoute(host)], apps: [appRoute('ready', ['one'])] },
    ...{ limits: generousLimits, tls: { redirect: true, hstsSeconds: 0 } },
  });
  channel.notify('snapshot-end', {});
}

const isServed = ({ port }: MasterUnderTest): Promise<boolean> =>
  request(port, { host, path: '/nobody', method: 'OPTIONS' }).then(
    ({ status }) => status === 200,
    () => false,
  );

async function startApp(master: MasterUnderTest): Promise<void> {
  await master.app(
    'one',
    (incoming, response) =>
      incoming.on('data', () => {}).on('end', () => void response.end('x'.repeat(incoming.url === '/nobody' ? 0 : answerBytes))),
    (socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
      socket.pipe(socket);
    },
  );
}

interface Load {
  /** When each answer came whole. */
  answeredAtMs: number[];
  failures: number;
  stop(): Promise<void>;
}

function startLoad(port: number): Load {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const stopping = new AbortController();
  const load: Load = {
    ...{ answeredAtMs: [], failures: 0 },
    async stop() {
      stopping.abort();
      await Promise.all(asking);
      agent.destroy();
    },
  };
  async function ask(): Promise<void> {
    while (!stopping.signal.aborted)
      try {
        const { body } = await request(port, { host, method: 'POST', body: 'y'.repeat(bodyBytes), agent });
        if (body.length === answerBytes) load.answeredAtMs.push(performance.now());
      } catch {
        load.failures += 1;
      }
  }
  const asking = Array.from({ length: 4 }, ask);
  return load;
}

/** Without what was asked to find out that it is served. */
const served = ({ bytesIn }: UsageFigures): number => bytesIn / bodyBytes;

/** Everything that was counted until now is written down, however often it was sent: one more request, counted after them, is. */
async function settle(ledger: UsageLedger, { port }: MasterUnderTest): Promise<void> {
  const before = ledger.written('').requests;
  await request(port, { host, path: '/.well-known/tenantd/jwks.json' });
  await until(() => ledger.written('').requests > before, 'the last request is written down');
}

const afterAnother = (load: Load, ms: number): Promise<void> => {
  const untilMs = performance.now() + ms;
  return until(() => (load.answeredAtMs.at(-1) ?? 0) > untilMs, `answers come for ${ms} ms`);
};

describe('what edges count', () => {
  test('is exact, whenever the daemon was killed', async () => {
    const master = await startMaster(2);
    const ledger = createUsageLedger();
    await startApp(master);
    let daemon = await master.startDaemon(ledger.handlersOf('first'));
    sendRoutes(daemon);
    await until(() => isServed(master), 'the edges answer');
    const load = startLoad(master.port);
    for (const livesMs of [1_300, 700, 1_900, 400, 1_100]) {
      await afterAnother(load, livesMs);
      daemon.stop();
      ledger.kill();
      daemon = await master.startDaemon(ledger.handlersOf('first'));
      sendRoutes(daemon);
    }
    await load.stop();
    expect(load.failures).toBe(0);
    const requests = load.answeredAtMs.length;
    await settle(ledger, master);
    expect(ledger.written()).toMatchObject({ bytesIn: requests * bodyBytes, bytesOut: requests * answerBytes });
    expect(requests).toBeGreaterThan(100);
  });

  test('is lost for the last second of an edge that is killed, at most', async () => {
    const master = await startMaster(1);
    const ledger = createUsageLedger();
    await startApp(master);
    sendRoutes(await master.startDaemon(ledger.handlersOf('first')));
    await until(() => isServed(master), 'the edge answers');
    const load = startLoad(master.port);
    await afterAnother(load, 4_000);
    const killedAtMs = performance.now();
    process.kill(master.edgePids()[0] ?? 0, 'SIGKILL');
    await afterAnother(load, 500);
    await load.stop();
    // A second, and what a busy machine adds to it.
    const certain = load.answeredAtMs.filter((atMs) => atMs < killedAtMs - 2_000 || atMs > killedAtMs).length;
    await settle(ledger, master);
    expect(served(ledger.written())).toBeGreaterThanOrEqual(certain);
    expect(served(ledger.written())).toBeLessThanOrEqual(load.answeredAtMs.length + load.failures);
  });

  test('is exact when new edges take the place of the old', async () => {
    const master = await startMaster(1);
    const ledger = createUsageLedger();
    await startApp(master);
    const daemon = await master.startDaemon(ledger.handlersOf('first'));
    sendRoutes(daemon);
    await until(() => isServed(master), 'the edges answer');
    const load = startLoad(master.port);
    const next = master.startNext();
    const nextDaemon = await next.startDaemon(ledger.handlersOf('second'));
    sendRoutes(nextDaemon);
    await nextDaemon.channel.request('await-accepting', { timeoutMs: 20_000 });
    await daemon.channel.request('retire', { timeoutMs: 10_000 });
    await afterAnother(load, 500);
    await load.stop();
    await master.exited;
    await settle(ledger, next);
    expect(served(ledger.written())).toBe(load.answeredAtMs.length);
    expect(load.failures).toBe(0);
  });

  test('of a tunnel is told while it is open', async () => {
    const master = await startMaster(1);
    const ledger = createUsageLedger();
    await startApp(master);
    sendRoutes(await master.startDaemon(ledger.handlersOf('first')));
    await until(() => isServed(master), 'the edge answers');
    const client = net.connect(master.port, '127.0.0.1');
    client.write(`GET /echo HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`);
    await once(client, 'data');
    const before = ledger.written();
    client.write('z'.repeat(5_000));
    await until(
      () => ledger.written().bytesIn >= 5_000 && ledger.written().bytesOut >= before.bytesOut + 5_000,
      'both directions are counted',
    );
    expect(ledger.written()).toMatchObject({ bytesIn: 5_000 });
    client.destroy();
  });
});
