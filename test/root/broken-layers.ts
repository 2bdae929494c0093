import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readlinkSync, writeFileSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'vitest';
import type { Check, VerifyResult } from '../../src/protocol/verify.ts';
import { sandboxRecords } from '../support/system-processes.ts';
import type { TestDaemon } from '../support/test-daemon.ts';
import { startTestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { ask, pidOf, probeTenant } from './probe.ts';

/** A daemon with the tenants alpha (site, shop) and beta, to break alpha's isolation by hand and see what `verify` says. */
export interface Breakable {
  daemon: TestDaemon;
  verify(): Promise<VerifyResult>;
  /** What fails now; fails itself unless it is of alpha alone. */
  failures(): Promise<Check[]>;
  /** Of alpha's app. */
  worker(app?: string): Promise<number>;
  /** A process that is ended by `mendAll`. */
  start(program: string, ...args: string[]): Promise<number>;
  /** Another worker serves, the old one is gone, and the daemon has looked at the new one. */
  untilReplaced(pid: number, app?: string): Promise<void>;
  endStarted(): Promise<void>;
  untilMended(): Promise<void>;
}

export async function startBreakable(): Promise<Breakable> {
  const daemon = await startTestDaemon({
    // What is found is found by asking, or right after a start.
    config: 'verify: { interval: 24h }',
    tenants: { alpha: probeTenant('alpha', ['site', 'shop']), beta: probeTenant('beta') },
  });
  const started: ChildProcess[] = [];
  const worker = (app = 'site'): Promise<number> => pidOf(daemon, `alpha/${app}`);

  async function verify(): Promise<VerifyResult> {
    const { code, stdout } = await daemon.ctl('verify', '--passive', '--json');
    const result = JSON.parse(stdout) as VerifyResult;
    expect(code).toBe(result.ok ? 0 : 1);
    return result;
  }

  async function untilVerified(): Promise<void> {
    const isDone = (): boolean => sandboxRecords(daemon).every(({ verified }) => verified);
    await until(isDone, 'the daemon has looked at every sandbox', 20_000);
  }

  await daemon.untilApps(['alpha/site', 'alpha/shop', 'beta/site']);
  await untilVerified();
  return {
    ...{ daemon, verify, worker },
    async failures() {
      const failed = (await verify()).checks.filter(({ ok }) => !ok);
      expect([...new Set(failed.map(({ tenant }) => tenant))]).toEqual(['alpha']);
      return failed;
    },
    async start(program, ...args) {
      const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
      started.push(child);
      await once(child, 'spawn');
      return child.pid ?? 0;
    },
    async untilReplaced(pid, app = 'site') {
      await until(async () => ![0, pid].includes(await worker(app)), 'another worker is there', 20_000);
      await daemon.untilApps([`alpha/${app}`]);
      expect(await ask(daemon, `alpha/${app}`, 'alive')).toMatchObject({ app });
      await until(() => nameOf(pid) === undefined, 'the old one is gone', 20_000);
      await untilVerified();
    },
    async endStarted() {
      for (const child of started.splice(0)) await endProcess(child);
    },
    async untilMended() {
      const explain = async (): Promise<string> =>
        JSON.stringify(
          (await verify()).checks.filter(({ ok }) => !ok),
          null,
          1,
        );
      await until(async () => (await verify()).ok, 'all is as promised again', 30_000, explain);
    },
  };
}

export function idsOf(checks: readonly Check[]): string[] {
  return [...new Set(checks.map(({ id }) => id))].sort();
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

export function nameOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return undefined; // gone
  }
}

/** The files to write a pid into that is to be in the same group as this one. */
export function memberProcsOf(pid: number): string[] {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
  const ours = lines.map((line) => line.split(':')).filter(([, , path = '']) => path.includes('/tenantd-'));
  return ours.map(([, controllers = '', path = '']) => `/sys/fs/cgroup${controllers === '' ? '' : `/${controllers}`}${path}/cgroup.procs`);
}

/** A limit of the tenant's own group, which is above that of its host. */
export function tenantGroupOf(pid: number, controller: string, v1: string, v2: string): string {
  const procs = memberProcsOf(pid);
  const old = procs.find((file) => file.startsWith(`/sys/fs/cgroup/${controller}/`));
  const directory = (old ?? procs[0] ?? '').replace(/\/[^/]+\/cgroup\.procs$/, '');
  return `${directory}/${old === undefined ? v2 : v1}`;
}

/** Memory may not be limited higher than memory and swap together. */
export function raiseSwapLimit(memoryFile: string, value: string): void {
  try {
    writeFileSync(memoryFile.replace('memory.limit_in_bytes', 'memory.memsw.limit_in_bytes'), value);
  } catch {
    // no such limit here
  }
}

/** proc(5), /proc/PID/stat: where the kernel shows the environment from (fields 50 and 51). */
export function overwriteEnvironment(pid: number, text: string): void {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const memory = openSync(`/proc/${pid}/mem`, 'r+');
  try {
    writeSync(memory, Buffer.from(text), 0, text.length, Number(fields[47]));
  } finally {
    closeSync(memory);
  }
}

export function auditOf(daemon: TestDaemon): Record<'tenant' | 'actor' | 'action' | 'before' | 'after', string>[] {
  const database = new DatabaseSync(`${daemon.directory}/state/state.db`, { readOnly: true });
  try {
    return database.prepare('SELECT tenant, actor, action, before, after FROM audit ORDER BY sequence').all() as ReturnType<typeof auditOf>;
  } finally {
    database.close();
  }
}

/** The loop device behind /data of that process: `loop0`. */
export function loopOf(pid: number): string {
  const line = readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .split('\n')
    .find((candidate) => candidate.split(' ')[4] === '/data');
  return basename(readlinkSync(`/sys/dev/block/${line?.split(' ')[2]}`));
}
