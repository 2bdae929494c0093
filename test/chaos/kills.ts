import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { type SystemProcess, systemProcesses } from '../support/system-processes.ts';
import { type Action, restartDaemon, untilEdgesServe, type World } from './world.ts';

const killAnything: Action = {
  name: 'kill a process',
  weight: 6,
  mayBeCut: false,
  run: (world) => killOne(world, () => true),
};

const killWorker: Action = {
  name: 'kill a worker',
  weight: 2,
  mayBeCut: true,
  run: (world) => killOne(world, ({ role }) => role === 'worker'),
};
const killHost: Action = { name: 'kill a host', weight: 2, mayBeCut: true, run: (world) => killOne(world, ({ role }) => role === 'host') };
const killEdge: Action = { name: 'kill an edge', weight: 1, mayBeCut: true, run: (world) => killOne(world, ({ role }) => role === 'edge') };

const killDaemon: Action = {
  name: 'kill the daemon',
  weight: 2,
  mayBeCut: false,
  async run(world) {
    world.ledger.step('  the daemon');
    await restartDaemon(world);
  },
};

/** Not the edge master: when both hold the listening sockets no more, nobody does. */
const killWithoutDaemon: Action = {
  name: 'kill processes while there is no daemon',
  weight: 2,
  mayBeCut: false,
  run: (world) =>
    restartDaemon(world, async () => {
      for (let count = 1 + world.random.below(3); count > 0; count--) {
        await killOne(world, ({ role }) => role !== 'daemon' && role !== 'edge-master');
        await delay(world.random.below(200));
      }
    }),
};

export const kills: readonly Action[] = [killAnything, killWorker, killHost, killEdge, killDaemon, killWithoutDaemon];

/** Any process of the system but those of tenants that are left alone. */
async function killOne(world: World, isWanted: (process: SystemProcess) => boolean): Promise<void> {
  const touched = new Set(world.tenants.filter(({ isTouched }) => isTouched).map(({ name }) => name));
  const victims = systemProcesses(world.daemon).filter(
    (process) => (process.tenant === undefined || touched.has(process.tenant)) && isWanted(process),
  );
  if (victims.length === 0) return world.ledger.step('  nobody');
  const victim = world.random.pick(victims);
  world.ledger.step(`  ${victim.pid}, ${victim.what}`);
  await killProcess(world, victim);
}

async function killProcess(world: World, victim: SystemProcess): Promise<void> {
  const { role, tenant } = victim;
  if (role === 'daemon') return restartDaemon(world);
  if (role === 'edge') return killOneEdge(world, victim.pid);
  if (role === 'edge-master') return world.soleHolder(() => killEdges(world, victim));
  const isServing = tenant !== undefined && (role === 'worker' || isServedByHost(world, victim));
  const end = isServing ? world.ledger.beginAbsence(tenant, `killed: ${victim.what}`) : undefined;
  kill(victim.pid);
  // What else is in its sandbox is killed when the daemon has noticed, and serves until then.
  if (end) world.behind(until(() => isGone(victim.sandbox), `${victim.what} is dead`, 60_000).then(end));
}

/** Static apps are served by their tenant's host. */
function isServedByHost({ tenants }: World, { role, tenant }: SystemProcess): boolean {
  return role === 'host' && tenants.some(({ name, kind }) => name === tenant && kind === 'static');
}

async function killOneEdge({ ledger }: World, pid: number): Promise<void> {
  const end = ledger.disturb('edge-killed');
  kill(pid);
  await until(() => isGone(pid), 'the edge is dead');
  end();
}

/** Until others serve: only then may the daemon die, too. */
async function killEdges(world: World, { pid, sandbox }: SystemProcess): Promise<void> {
  const end = world.ledger.disturb('edge-killed');
  const edges = systemProcesses(world.daemon).filter((process) => process.role === 'edge' && process.sandbox === sandbox);
  kill(pid);
  await until(() => edges.every((edge) => isGone(edge.pid)), 'the edges end with their master');
  await untilEdgesServe(world);
  end();
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}
