import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from '../../support/client.ts';
import { startTestDaemon, type TenantFiles, type TestDaemon } from '../../support/test-daemon.ts';
import { until } from '../../support/until.ts';
import { startBareApp } from './bare-app.ts';
import { type Emperor, startEmperor } from './emperor.ts';
import { readStatus } from './operator.ts';
import { type SampleAppName, sampleApps, writeSampleApp } from './sample-apps.ts';

/** Milliseconds to the first answer, one of each a round. */
export interface FirstAnswers {
  /** Asleep, woken by the request, through the edge. */
  woken: Record<SampleAppName, number[]>;
  bare: Record<SampleAppName, number[]>;
  /** uWSGI's Emperor: the same app and server as `uwsgi`. Empty without it. */
  emperor: number[];
}

const names = Object.keys(sampleApps) as SampleAppName[];
/** Shortest that there is. */
const idle = '1s';
const plans = 'plans: { starter: { memory: 256M, cpu: 2, processes: 64, requestsPerSecond: 0 } }';

/** By turns, so that what disturbs the machine disturbs all. */
export async function measureFirstAnswers(options: {
  rounds: number;
  withUwsgi: boolean;
  tell(line: string): void;
}): Promise<FirstAnswers> {
  const folder = mkdtempSync(join(tmpdir(), 'tenantd-bench-'));
  try {
    for (const name of names) writeSampleApp(sampleApps[name], join(folder, name));
    const wanted = names.filter((name) => name !== 'uwsgi' || options.withUwsgi);
    await using daemon = await startTestDaemon({
      plans,
      tenants: Object.fromEntries(wanted.map((name) => [name, tenantOf(name, folder)])),
    });
    const emperor = options.withUwsgi ? await startEmperor(folder) : undefined;
    try {
      return await measureRounds(wanted, { ...options, folder, daemon, emperor });
    } finally {
      await emperor?.stop();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function tenantOf(name: SampleAppName, folder: string): TenantFiles {
  return {
    'tenant.yaml': `domains: [${name}.test]\nidle: ${idle}\n`,
    'apps/site': { copy: join(folder, name) },
    'apps/site/app.yaml': sampleApps[name].appYaml,
  };
}

interface Measured {
  rounds: number;
  folder: string;
  daemon: TestDaemon;
  emperor: Emperor | undefined;
  tell(line: string): void;
}

async function measureRounds(wanted: readonly SampleAppName[], measured: Measured): Promise<FirstAnswers> {
  const { rounds, folder, daemon, emperor } = measured;
  const empty = (): Record<SampleAppName, number[]> => ({ http: [], fastify: [], python: [], uwsgi: [] });
  const found: FirstAnswers = { woken: empty(), bare: empty(), emperor: [] };
  // The first one reads files from the disk, and fills the compile cache.
  for (let round = -1; round < rounds; round++) {
    const keep = (list: number[], ms: number): void => void (round >= 0 && list.push(ms));
    for (const name of wanted) {
      const bare = await startBareApp(sampleApps[name], join(folder, name));
      await bare.stop();
      keep(found.bare[name], bare.firstAnswerMs);
      await untilAsleep(daemon, name);
      keep(found.woken[name], await timeAnswer(daemon.port, `${name}.test`));
    }
    if (emperor) {
      await emperor.untilAsleep();
      keep(found.emperor, await timeAnswer(emperor.port, 'emperor.test'));
    }
    if (round % 10 === 9) measured.tell(`round ${round + 1} of ${rounds}`);
  }
  return found;
}

async function untilAsleep(daemon: TestDaemon, name: string): Promise<void> {
  const isAsleep = async (): Promise<boolean> => {
    const tenant = (await readStatus(daemon)).tenants.find((shown) => shown.name === name);
    return tenant?.state === 'sleeping' && tenant.hostPid === 0;
  };
  await until(isAsleep, `${name} sleeps`, 60_000, () => daemon.ctl('status', name).then(({ stdout }) => stdout));
}

async function timeAnswer(port: number, host: string): Promise<number> {
  const startedMs = performance.now();
  const { status, text } = await request(port, { host });
  if (status !== 200 || text !== 'hello') throw new Error(`${host} answers ${status}: ${text.slice(0, 300)}`);
  return performance.now() - startedMs;
}
