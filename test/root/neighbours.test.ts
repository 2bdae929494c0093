import http from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { request } from '../support/client.ts';
import { repositoryPath, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { ask, pidOf, probeTenant } from './probe.ts';

type Outcomes = Record<string, number>;

const plans = `plans:
  starter: { memory: 128M, cpu: 0.5, processes: 64, disk: 16M, files: 2000, requestsPerSecond: 0 }
`;
/** Long enough for the good one's requests to lie within it. */
const seconds = 2;
const requests = 200;
const patience = { timeoutMs: 25_000 };

describe('while one tenant does its worst, another', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startTestDaemon({
      plans,
      tenants: {
        good: {
          'tenant.yaml': 'domains: [good.test]\n',
          'apps/site': { copy: repositoryPath('test/fixtures/apps/answers') },
        },
        bad: probeTenant('bad'),
      },
    });
    await daemon.untilApps(['good/site', 'bad/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  const mischief = (probe: string, input: object = {}): Promise<Outcomes> =>
    ask<Outcomes>(daemon, 'bad/site', probe, { input: { seconds, ...input }, ...patience });

  async function pidsOfGood(): Promise<number[]> {
    return [await pidOf(daemon, 'good/site'), (await daemon.tenant('good')).hostPid];
  }

  /** What became of the mischief, once all of the good tenant's requests were answered. */
  async function besideGood<Result>(run: () => Promise<Result>): Promise<Result> {
    const before = await pidsOfGood();
    const [result, statuses] = await Promise.all([run(), askGood()]);
    expect(statuses).toEqual({ 200: requests });
    expect(await pidsOfGood()).toEqual(before);
    expect((await daemon.tenant('good')).problems).toEqual([]);
    return result;
  }

  async function askGood(): Promise<Record<number, number>> {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
    const statuses: Record<number, number> = {};
    const all = Array.from({ length: requests }, async () => {
      const { status } = await request(daemon.port, { host: 'good.test', agent });
      statuses[status] = (statuses[status] ?? 0) + 1;
    });
    await Promise.all(all);
    agent.destroy();
    return statuses;
  }

  /** It serves again, with nothing left of what it did. */
  async function untilBadIsAsBefore(): Promise<void> {
    await until(badAnswers, 'the bad one answers', 20_000);
    await daemon.untilApps(['bad/site']);
    await until(
      async () => (await daemon.tenant('bad')).problems.length === 0,
      'nothing is wrong any more',
      20_000,
      async () => JSON.stringify((await daemon.tenant('bad')).problems),
    );
  }

  /** Its worker may have been ended, and have no successor yet. */
  function badAnswers(): Promise<boolean> {
    return ask<{ tenant: string }>(daemon, 'bad/site', 'alive').then(
      ({ tenant }) => tenant === 'bad',
      () => false,
    );
  }

  test('is served beside a fork bomb, which meets its number of processes', async () => {
    const outcomes = await besideGood(() => mischief('forkBomb'));
    expect(outcomes['EAGAIN']).toBeGreaterThan(0);
    await untilBadIsAsBefore();
  });

  test('is served beside a memory bomb, which the kernel ends again and again', async () => {
    // Where the kernel ends all of a group at once, the app is gone with it.
    const outcomes = await besideGood(() => mischief('memoryBomb').catch(() => ({ gone: 1 })));
    expect(outcomes).toSatisfy((found: Outcomes) => (found['SIGNAL 9'] ?? found['gone'] ?? 0) > 0);
    await untilBadIsAsBefore();
  });

  test('is served beside sixteen processes that never rest', async () => {
    const before = await cpuSecondsOfBad();
    expect(await besideGood(() => mischief('spin', { processes: 16 }))).toEqual({ processes: 16 });
    expect((await cpuSecondsOfBad()) - before).toBeGreaterThan(0.1);
    await untilBadIsAsBefore();
  });

  test.each(['/data', '/tmp'])('is served beside one who fills %s, and finds it full', async (folder) => {
    const outcomes = await besideGood(() => mischief('fillAgain', { folder }));
    expect(outcomes['ENOSPC']).toBeGreaterThan(0);
    await untilBadIsAsBefore();
  });

  test.each(['/data', '/tmp'])('is served beside one who makes files in %s, until there can be no more', async (folder) => {
    const outcomes = await besideGood(() => mischief('makeFilesAgain', { folder, seconds: 4 }));
    expect(outcomes['ENOSPC']).toBeGreaterThan(0);
    await untilBadIsAsBefore();
  });

  test('is served beside ten thousand Unix sockets, or as many as there can be names', async () => {
    const outcomes = await besideGood(() => mischief('holdUnixSockets', { count: 10_000 }));
    expect(outcomes['sockets']).toBeGreaterThan(1_000);
    expect(Object.keys(outcomes)).toHaveLength(2);
    await untilBadIsAsBefore();
  });

  test('is served beside descriptors without end, which cost the bad one its memory or are refused', async () => {
    const outcomes = await besideGood(() => mischief('holdDescriptors', { processes: 10, seconds: 5 }).catch(() => ({ gone: 1 })));
    const ends = ['EMFILE', 'ENFILE', 'ENOMEM', 'SIGNAL 9', 'SIGKILL', 'gone'];
    expect(ends.filter((end) => end in outcomes)).not.toEqual([]);
    await untilBadIsAsBefore();
  });

  test('is served beside a flood of log lines, of which the newest are kept', async () => {
    const outcomes = await besideGood(() => mischief('printMuch'));
    expect(outcomes['bytes']).toBeGreaterThan(100_000);
    await untilBadIsAsBefore();
    expect((await daemon.ctl('logs', '-n', '5', 'bad/site')).stdout).toContain('flood flood');
  });

  test('is served beside a thousand connections to the bad one, which are answered or refused, each', async () => {
    const statuses = await besideGood(async () => {
      const answers = Array.from({ length: 1_000 }, () =>
        request(daemon.port, { host: 'bad.test', path: '/site', method: 'POST', body: '{"probe":"alive"}' }).then(
          ({ status }) => status,
          () => 'connection refused',
        ),
      );
      return Promise.all(answers);
    });
    expect(statuses).toHaveLength(1_000);
    expect(statuses).toContain(200);
    expect([...new Set(statuses)].filter((status) => ![200, 429, 503].includes(Number(status)))).toEqual([]);
    await untilBadIsAsBefore();
  });

  async function cpuSecondsOfBad(): Promise<number> {
    return (await daemon.tenant('bad')).cpuSeconds;
  }
});
