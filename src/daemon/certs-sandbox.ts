import { existsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { z } from 'zod';
import type { ResourceLimits } from '../privileged/cgroups.ts';
import type { Bind } from '../privileged/sandbox-arguments.ts';
import type { UnixUser } from '../privileged/users.ts';
import { certsPaths } from '../protocol/certs-paths.ts';
import type { Machine } from './machine.ts';
import { createServiceSandbox, type ServiceSandbox } from './service-sandbox.ts';

/** As recorded with its sandbox. `hookDir`: which folder was bound for the DNS hook. */
export const certsRole = z.strictObject({ role: z.literal('certs'), hookDir: z.string().optional() });

/**
 * The process `certs`: there is one at most, since it alone may write its state.
 *
 * Invariant: it has the machine's network, to reach CAs, resolvers and name servers; of files, its own state and what it may read.
 */
export interface CertsSandbox extends Pick<ServiceSandbox, 'start' | 'pid' | 'stop'> {
  /** Before the start; after it, the process is started anew when the hook lies elsewhere now. */
  setHook(hook: readonly string[] | undefined): void;
}

/** What a DNS hook of the operator's starts counts too. */
const limits: ResourceLimits = { memoryBytes: 1 << 30, cpu: 1, processes: 256 };
const hookMount = '/opt/tenantd/hook';

/** Its folder is bound somewhere else: there may be no mount point under its own name. */
export function hookInSandbox(hook: readonly string[]): string[] {
  const [program = '', ...rest] = hook;
  return [`${hookMount}/${basename(program)}`, ...rest];
}

export function createCertsSandbox(machine: Machine, user: UnixUser): CertsSandbox {
  const { paths } = machine;
  let hookDir: string | undefined;
  const service = createServiceSandbox(machine, {
    ...{ name: 'certs', title: 'the process for certificates', user, limits, heapMegabytes: 512 },
    controlSocket: { source: paths.certsSocket, target: certsPaths.controlSocket },
    binds: () => [{ source: paths.certsStateDir, target: certsPaths.stateDir, access: 'write' }, ...readable(hookDir)],
    role: (): z.infer<typeof certsRole> => ({ role: 'certs', ...(hookDir !== undefined && { hookDir }) }),
  });
  return {
    ...service,
    setHook(hook) {
      hookDir = hook?.[0] === undefined ? undefined : dirname(hook[0]);
      service.replaceOutdated();
    },
  };
}

/** How names are resolved is the machine's business; root certificates are in every sandbox. */
function readable(hookDir: string | undefined): Bind[] {
  const files = ['/etc/resolv.conf', '/etc/hosts'].filter((path) => existsSync(path));
  const hook = hookDir !== undefined && existsSync(hookDir) ? [{ source: hookDir, target: hookMount }] : [];
  return [...files.map((path) => ({ source: path, target: path })), ...hook].map((bind) => ({ ...bind, access: 'read' }));
}
