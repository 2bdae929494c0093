import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { pidOf } from '../../root/probe.ts';
import type { TestDaemon } from '../../support/test-daemon.ts';

/** About twenty times as much as nice 0 has (sched(7)). */
const raisedNice = -13;
const raisedFactor = 20;

/**
 * Everything that the daemon runs weighs more against the rest of the machine, and as much as ever against one another: what else
 * the machine does is not what is measured.
 */
export async function raiseAgainstTheMachine(daemon: TestDaemon): Promise<void> {
  const { edge } = await daemon.status();
  for (const pid of [daemon.pid(), ...edge.processes.map((process) => process.pid)]) setNice(pid, raisedNice);
  const base = baseGroupOf(await pidOf(daemon, 'good/page'));
  const file = ['cpu.shares', 'cpu.weight'].map((name) => `${base}/${name}`).find((path) => existsSync(path));
  if (file === undefined) throw new Error(`${base} has no weight`);
  writeFileSync(file, String(Math.min(10_000, Number(readFileSync(file, 'utf8')) * raisedFactor)));
}

/** Where sessions are groups of the scheduler, the nice value of a process counts within its own session alone (sched(7)). */
export function setNice(pid: number, nice: number): void {
  setPriority(pid, nice);
  const session = `/proc/${pid === 0 ? 'self' : pid}/autogroup`;
  if (existsSync(session)) writeFileSync(session, String(nice));
}

/** Of all tenants: two above the worker's own. */
function baseGroupOf(pid: number): string {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
  const found = lines.map((line) => line.split(':')).filter(([, , path]) => path?.includes('/tenantd-'));
  const [, controllers = '', path = ''] = found.find(([, names]) => names === 'cpu') ?? found.find(([, names]) => names === '') ?? [];
  return `/sys/fs/cgroup/${controllers}${path.split('/').slice(0, -2).join('/')}`;
}
