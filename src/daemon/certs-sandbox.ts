import { existsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { z } from 'zod';
import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { messageOf } from '../base/errors.ts';
import type { ResourceLimits } from '../privileged/cgroups.ts';
import type { Bind, SandboxSpec } from '../privileged/sandbox-arguments.ts';
import type { UnixUser } from '../privileged/users.ts';
import { certsPaths } from '../protocol/certs-paths.ts';
import { keepLastOutput } from './last-output.ts';
import { baseEnvironment, type Machine, programBinds, programCommand } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';

/** As recorded with its sandbox. `hookDir`: which folder was bound for the DNS hook. */
export const certsRole = z.strictObject({ role: z.literal('certs'), hookDir: z.string().optional() });

/**
 * The process `certs`: its sandbox, started again whenever it ends.
 *
 * Invariants:
 * - There is one at most, since it alone may write its state.
 * - It has the machine's network, to reach CAs, resolvers and name servers; of files, its own state and what it may read.
 */
export interface CertsSandbox {
  start(adopted: Sandbox | undefined): Promise<void>;
  /** Before the start; after it, the process is started anew when the hook lies elsewhere now. */
  setHook(hook: readonly string[] | undefined): void;
  pid(): number;
  stop(): Promise<void>;
}

const restartPolicy: BackoffPolicy = { firstMs: 100, maxMs: 30_000, healthyMs: 30_000 };
/** What a DNS hook of the operator's starts counts too. */
const limits: ResourceLimits = { memoryBytes: 1 << 30, cpu: 1, processes: 256 };
const heapMegabytes = 512;
const group = { tenant: 'certs', member: 'main' };
const hookMount = '/opt/tenantd/hook';

/** Its folder is bound somewhere else: there may be no mount point under its own name. */
export function hookInSandbox(hook: readonly string[]): string[] {
  const [program = '', ...rest] = hook;
  return [`${hookMount}/${basename(program)}`, ...rest];
}

export function createCertsSandbox(machine: Machine, user: UnixUser): CertsSandbox {
  const { paths, log } = machine;
  let sandbox: Sandbox | undefined;
  let hookDir: string | undefined;
  let failures = 0;
  let incarnation = 0;
  let stopping = false;
  let replaced: Sandbox | undefined;
  let launching = Promise.resolve();
  let retryTimer: NodeJS.Timeout | undefined;

  function specOf(): SandboxSpec {
    return {
      id: `certs.${Date.now().toString(36)}.${incarnation++}`,
      uid: user.uid,
      gid: user.gid,
      hostname: 'certs',
      env: { ...baseEnvironment, HOME: '/tmp' },
      binds: [
        ...programBinds(machine),
        { source: paths.certsDir, target: dirname(certsPaths.controlSocket), access: 'read' },
        { source: paths.certsStateDir, target: certsPaths.stateDir, access: 'write' },
        ...readable(hookDir),
      ],
      tmpBytes: 16 << 20,
      tmpInodes: 1_000,
      workingDirectory: '/',
      command: programCommand('certs', {}, [`--max-old-space-size=${heapMegabytes}`]),
    };
  }

  async function launch(): Promise<void> {
    machine.groups?.setTenant(group.tenant, limits);
    const role: z.infer<typeof certsRole> = { role: 'certs', ...(hookDir !== undefined && { hookDir }) };
    const options = { network: 'machine', output: 'pipe', outOfMemoryScore: 0, inherit: [], group } as const;
    const started = await machine.registry.start(specOf(), options, role);
    watch(started);
    // It was changed while this one started.
    if (role.hookDir !== hookDir) replace();
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
      log.error({ exitCode, outOfMemory, restartInMs, output: lastOutput() }, 'the process for certificates ended');
      retry(restartInMs);
    });
  }

  function replace(): void {
    replaced = sandbox;
    void sandbox?.stop(1_000);
  }

  function retry(delayMs: number): void {
    retryTimer = setTimeout(() => {
      launching = tryLaunch();
    }, delayMs);
  }

  /** What is issued is served without it: never a reason not to start. */
  async function tryLaunch(): Promise<void> {
    try {
      await launch();
    } catch (error) {
      failures += 1;
      log.error({ error: messageOf(error) }, 'the process for certificates could not be started');
      if (!stopping) retry(backoffDelayMs(restartPolicy, failures));
    }
  }

  return {
    async start(adopted) {
      if (!adopted) return (launching = tryLaunch());
      watch(adopted);
      if (certsRole.parse(adopted.role).hookDir !== hookDir) replace();
    },
    setHook(hook) {
      const before = hookDir;
      hookDir = hook?.[0] === undefined ? undefined : dirname(hook[0]);
      if (hookDir !== before) replace();
    },
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

/** How names are resolved is the machine's business; root certificates are in every sandbox. */
function readable(hookDir: string | undefined): Bind[] {
  const files = ['/etc/resolv.conf', '/etc/hosts'].filter((path) => existsSync(path));
  const hook = hookDir !== undefined && existsSync(hookDir) ? [{ source: hookDir, target: hookMount }] : [];
  return [...files.map((path) => ({ source: path, target: path })), ...hook].map((bind) => ({ ...bind, access: 'read' }));
}
