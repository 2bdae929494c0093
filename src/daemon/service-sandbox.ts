import { dirname } from 'node:path';
import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { messageOf } from '../base/errors.ts';
import type { ResourceLimits } from '../privileged/cgroups.ts';
import type { Bind, SandboxSpec } from '../privileged/sandbox-arguments.ts';
import type { UnixUser } from '../privileged/users.ts';
import { keepLastOutput } from './last-output.ts';
import { baseEnvironment, type Machine, programBinds, programCommand } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';

/** A process of tenantd's own, with the machine's network unless it says otherwise. */
export interface Service {
  /** Its bundle, host name and control group. */
  name: 'certs' | 'metrics' | 'resolver';
  /** In the log. */
  title: string;
  user: UnixUser;
  limits: ResourceLimits;
  heapMegabytes: number;
  /** Outside, and where it finds it. */
  controlSocket: { source: string; target: string };
  /** At its next start, besides. */
  binds: () => readonly Bind[];
  /** What is recorded with its sandbox at its next start. */
  role: () => object;
  network?: 'empty';
  /** A socket that it inherits, bound for its next start. */
  bindListener?: () => { fd: number; close(): void };
}

/**
 * A service's sandbox, started again whenever it ends.
 *
 * Invariants:
 * - There is one at most.
 * - It is never a reason not to start: what it did lasts without it.
 */
export interface ServiceSandbox {
  start(adopted: Sandbox | undefined): Promise<void>;
  /** It is ended, and started anew at once, if what is recorded with it is not what it would be now. */
  replaceOutdated(): void;
  pid(): number;
  stop(): Promise<void>;
}

const restartPolicy: BackoffPolicy = { firstMs: 100, maxMs: 30_000, healthyMs: 30_000 };

export function createServiceSandbox(machine: Machine, service: Service): ServiceSandbox {
  const { log } = machine;
  const { name, title, user } = service;
  const group = { tenant: name, member: 'main' };
  let sandbox: Sandbox | undefined;
  let failures = 0;
  let incarnation = 0;
  let stopping = false;
  let replaced: Sandbox | undefined;
  let launching = Promise.resolve();
  let retryTimer: NodeJS.Timeout | undefined;

  function specOf(): SandboxSpec {
    const { source, target } = service.controlSocket;
    return {
      id: `${name}.${Date.now().toString(36)}.${incarnation++}`,
      uid: user.uid,
      gid: user.gid,
      hostname: name,
      env: { ...baseEnvironment, HOME: '/tmp' },
      binds: [...programBinds(machine), { source: dirname(source), target: dirname(target), access: 'read' }, ...service.binds()],
      tmpBytes: 16 << 20,
      tmpInodes: 1_000,
      workingDirectory: '/',
      command: programCommand(name, {}, [`--max-old-space-size=${service.heapMegabytes}`]),
    };
  }

  async function launch(): Promise<void> {
    machine.groups?.setTenant(group.tenant, service.limits);
    const listener = service.bindListener?.();
    const inherit = listener ? [listener.fd] : [];
    const options = { network: service.network ?? 'machine', output: 'pipe', outOfMemoryScore: 0, inherit, group } as const;
    try {
      watch(await machine.registry.start(specOf(), options, service.role()));
    } finally {
      listener?.close();
    }
    // It may have changed while this one started.
    replaceOutdated();
  }

  function watch(watched: Sandbox): void {
    const lastOutput = keepLastOutput(watched.stdout);
    sandbox = watched;
    void watched.exited.then(({ exitCode, outOfMemory }) => {
      sandbox = undefined;
      if (stopping) return;
      if (replaced === watched) return retry(0);
      failures = Date.now() - watched.startedAtMs >= restartPolicy.healthyMs ? 1 : failures + 1;
      const restartInMs = failures === 1 ? 0 : backoffDelayMs(restartPolicy, failures - 1);
      log.error({ exitCode, outOfMemory, restartInMs, output: lastOutput() }, `${title} ended`);
      retry(restartInMs);
    });
  }

  function replaceOutdated(): void {
    if (!sandbox || JSON.stringify(sandbox.role) === JSON.stringify(service.role())) return;
    replaced = sandbox;
    void sandbox.stop(1_000);
  }

  function retry(delayMs: number): void {
    retryTimer = setTimeout(() => {
      launching = tryLaunch();
    }, delayMs);
  }

  async function tryLaunch(): Promise<void> {
    try {
      await launch();
    } catch (error) {
      failures += 1;
      log.error({ error: messageOf(error) }, `${title} could not be started`);
      if (!stopping) retry(backoffDelayMs(restartPolicy, failures));
    }
  }

  return {
    async start(adopted) {
      stopping = false;
      if (!adopted) return (launching = tryLaunch());
      watch(adopted);
      replaceOutdated();
    },
    replaceOutdated,
    pid: () => sandbox?.commandPid() ?? 0,
    async stop() {
      stopping = true;
      clearTimeout(retryTimer);
      await launching;
      await sandbox?.stop(2_000);
      await machine.groups?.removeTenant(group.tenant);
    },
  };
}
