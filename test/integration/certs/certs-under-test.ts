import { afterAll, afterEach, beforeAll } from 'vitest';
import { type Certs, runCerts } from '../../../src/certs/certs-process.ts';
import type { AcmeConfiguration, CertsConfiguration } from '../../../src/protocol/certs.ts';
import { until } from '../../support/until.ts';
import { ChallengeEdge } from './challenge-edge.ts';
import { FakeDaemon } from './fake-daemon.ts';
import { type PebbleOptions, PebbleUnderTest } from './pebble-under-test.ts';

export interface CertsUnderTest {
  daemon: FakeDaemon;
  certs: Certs;
  edge: ChallengeEdge;
  /** Moves its clock forward. */
  advance(ms: number): void;
  issued(count: number): Promise<void>;
  state(name: string, state: string): Promise<void>;
  /** Ends it, and starts another over the same state. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export function acmeOf(pebble: PebbleUnderTest, changes: Partial<AcmeConfiguration> = {}): AcmeConfiguration {
  return {
    directories: [{ url: pebble.url }],
    email: 'ops@example.com',
    caPem: pebble.certificate.chain,
    resolvers: [pebble.resolver],
    publicAddresses: ['127.0.0.1'],
    challenges: ['http-01', 'tls-alpn-01'],
    ...changes,
  };
}

/** The process's whole inside, with a daemon and an edge of the tests. */
export async function startCerts(
  pebble: PebbleUnderTest,
  names: Record<string, readonly string[]>,
  configuration: CertsConfiguration,
): Promise<CertsUnderTest> {
  let offsetMs = 0;
  const nowMs = (): number => Date.now() + offsetMs;
  const daemon = await FakeDaemon.start({ configuration, names });
  const edge = await ChallengeEdge.start(daemon.challenges, pebble.httpPort, pebble.tlsPort);
  const explain = async (): Promise<string> => `${await daemon.explain()}\n${pebble.output.slice(-2_000)}`;
  const started: CertsUnderTest = {
    ...{ daemon, edge, certs: await runCerts({ ...daemon.paths, nowMs }) },
    advance(ms) {
      offsetMs += ms;
      started.certs.engine.planSoon();
    },
    issued: (count) => until(() => daemon.certificates.size === count, `${count} certificates`, 15_000, explain),
    state: (name, state) => until(() => daemon.statuses.get(name)?.state === state, `${name} is ${state}`, 15_000, explain),
    async restart() {
      started.certs.close();
      started.certs = await runCerts({ ...daemon.paths, nowMs });
    },
    async stop() {
      started.certs.close();
      await edge.close();
      await daemon.remove();
    },
  };
  return started;
}

export interface CertsWithPebble {
  pebble: () => PebbleUnderTest;
  acmeOf: (changes?: Partial<AcmeConfiguration>) => AcmeConfiguration;
  /** Ends with its test. */
  start: (names: Record<string, readonly string[]>, configuration: CertsConfiguration) => Promise<CertsUnderTest>;
  /** Done after a test, the last one first. */
  endings: (() => Promise<void> | void)[];
}

/** One pebble for all tests of a file. */
export function withPebble(options: PebbleOptions = {}): CertsWithPebble {
  let pebble: PebbleUnderTest;
  const endings: CertsWithPebble['endings'] = [];
  beforeAll(async () => {
    pebble = await PebbleUnderTest.start(options);
  }, 30_000);
  afterAll(() => pebble?.stop());
  afterEach(async () => {
    for (const end of endings.splice(0).toReversed()) await end();
  });
  return {
    pebble: () => pebble,
    acmeOf: (changes) => acmeOf(pebble, changes),
    async start(names, configuration) {
      const started = await startCerts(pebble, names, configuration);
      endings.push(() => started.stop());
      return started;
    },
    endings,
  };
}
