import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { dirname, join } from 'node:path';
import type { ReleaseStatus } from '../../src/protocol/release-calls.ts';
import { until } from '../support/until.ts';
import type { TestDaemon } from '../support/test-daemon.ts';
import { attempt } from './attempt.ts';
import { badReleaseFiles, type ChaosTenant, releaseFiles, type TextFiles } from './tenants.ts';
import { type Action, command, pickTouched, type World } from './world.ts';

const appOf = (tenant: ChaosTenant): string => `${tenant.name}/site`;
const isScaled = ({ kind, workers }: ChaosTenant): boolean => kind !== 'static' && workers !== undefined;
const mostReleases = 5;
const idleClosedMs = 2_000;
/** tenantctl's exit code when no daemon answers. */
const unreachable = 3;
const againMs = 200;

const restart: Action = {
  name: 'restart',
  weight: 2,
  mayBeCut: true,
  async run(world) {
    await command(world, ['app', 'restart', appOf(pickTouched(world))], 'either');
  },
};

const stopAndStart: Action = {
  name: 'stop and start',
  weight: 1,
  mayBeCut: false,
  async run(world) {
    const tenant = pickTouched(world);
    const end = world.ledger.beginAbsence(tenant.name, 'stopped');
    await command(world, ['app', 'stop', appOf(tenant)], 'done');
    await delay(world.random.below(300));
    // Until it is heard: a daemon may have died before it was.
    while ((await command(world, ['app', 'start', appOf(tenant)], 'either')) === unreachable) await delay(againMs);
    end();
  },
};

const reload: Action = {
  name: 'reload',
  weight: 1,
  mayBeCut: true,
  async run(world) {
    await command(world, ['reload'], 'done');
  },
};

const replaceEdges: Action = {
  name: 'replace the edges',
  weight: 1,
  mayBeCut: true,
  async run(world) {
    const end = world.ledger.disturb('edges-replaced');
    await command(world, ['reload', '--edges'], 'done');
    // The old ones stay for WebSockets, however long; idle connections are closed at once.
    setTimeout(end, idleClosedMs);
  },
};

const scale: Action = {
  name: 'scale',
  weight: 1,
  mayBeCut: true,
  async run(world) {
    const tenant = pickTouched(world, isScaled);
    await command(world, ['app', 'scale', appOf(tenant), String(1 + world.random.below(3))], 'either');
  },
};

const deploy: Action = {
  name: 'deploy',
  weight: 4,
  mayBeCut: true,
  async run(world) {
    await deployTo(world, pickTouched(world));
  },
};

/** When it is done, it is what answers. */
export async function deployTo(world: World, tenant: ChaosTenant): Promise<void> {
  const version = world.nextVersion();
  await withFolder(world.daemon, version, releaseFiles(tenant, version), async (folder) => {
    const code = await command(world, ['app', 'deploy', appOf(tenant), folder, '--wait'], 'either');
    if (code !== 0) return;
    const { status, text } = await attempt({ port: world.daemon.port, host: tenant.host, path: '/' });
    if (status === 200 && text !== `${tenant.name} ${version}`)
      world.complain(`${tenant.name} answers "${text}" after the deploy of ${version}`);
  });
}

const deployBad: Action = {
  name: 'deploy a bad release',
  weight: 2,
  mayBeCut: true,
  async run(world) {
    const tenant = pickTouched(world);
    const way = world.random.pick(['throws', 'deaf', 'syntax', 'yaml'] as const);
    world.ledger.step(`  one that is bad: ${way}`);
    await withFolder(world.daemon, `bad-${world.nextVersion()}`, badReleaseFiles(way), (folder) =>
      command(world, ['app', 'deploy', appOf(tenant), folder, '--wait'], 'refused'),
    );
  },
};

const rollback: Action = {
  name: 'roll back',
  weight: 2,
  mayBeCut: true,
  async run(world) {
    await command(world, ['app', 'rollback', appOf(pickTouched(world))], 'either');
  },
};

export const operations: readonly Action[] = [restart, stopAndStart, reload, replaceEdges, scale, deploy, deployBad, rollback];

/** All apps as they were at the start, but for their releases. */
export async function settleApps(world: World): Promise<void> {
  for (const tenant of world.tenants.filter(({ isTouched }) => isTouched)) {
    if (isScaled(tenant)) await command(world, ['app', 'scale', appOf(tenant), 'auto'], 'done');
    const { state } = await world.daemon.app(tenant.name, 'site');
    if (state !== 'running' && state !== 'sleeping') await command(world, ['app', 'start', appOf(tenant)], 'either');
  }
  for (const { name, host } of world.tenants) {
    const answers = async (): Promise<boolean> => (await attempt({ port: world.daemon.port, host, path: '/' })).status === 200;
    await until(
      () => answers().catch(() => false),
      `${name} answers again`,
      60_000,
      async () => JSON.stringify(await world.daemon.tenant(name), undefined, 1),
    );
  }
}

/** Each app keeps at most five, beside the folder of its operator. */
export async function releasesTooMany({ daemon, tenants }: World): Promise<string[]> {
  const found: string[] = [];
  for (const tenant of tenants) {
    const { code, stdout } = await daemon.ctl('app', 'releases', appOf(tenant), '--json');
    if (code !== 0) continue;
    const { releases } = JSON.parse(stdout) as { releases: ReleaseStatus[] };
    const kept = releases.filter(({ release }) => release !== 'local').length;
    if (kept > mostReleases) found.push(`${appOf(tenant)} keeps ${kept} releases`);
  }
  return found;
}

async function withFolder(daemon: TestDaemon, name: string, files: TextFiles, use: (folder: string) => Promise<unknown>): Promise<void> {
  const folder = `${daemon.directory}/deploys/${name}`;
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  await use(folder);
  rmSync(folder, { recursive: true });
}
