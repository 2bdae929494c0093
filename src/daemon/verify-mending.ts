import { messageOf } from '../base/errors.ts';
import { controlGroupLinesOf, namespacesOf } from '../privileged/facts-process.ts';
import { scanProcesses } from '../privileged/facts-scan.ts';
import type { Egress } from './egress.ts';
import type { Machine } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';
import type { Tenant } from './tenant.ts';
import type { Found } from './verify-look.ts';
import { ownerOf } from './verify-owner.ts';

export interface MendingParts {
  machine: Machine;
  egress: Pick<Egress, 'mend'>;
  tenants: () => Tenant[];
}

/** What the daemon can put right by writing what it had written before. */
const writtenBack = new Set(['resources.memory', 'resources.processes', 'resources.cpu', 'resources.limits', 'disk.room']);
/** What a tenant's own processes can bring about, or what a new sandbox would have again. */
const leftToPeople = new Set([
  'processes.strangers',
  'root.descriptors',
  'root.promise',
  'secrets.environment',
  'network.apart',
  'network.interfaces',
]);

/**
 * Puts right what is safe to: limits are written back, processes put back into their groups. A sandbox that once was as promised
 * and no longer is, is replaced by a new one: new workers serve before the old ones end. Nobody else's process is ended.
 */
export async function mend(parts: MendingParts, drift: readonly Found[]): Promise<void> {
  const { machine, tenants } = parts;
  const toReplace = new Set<Sandbox>();
  for (const { check, sandbox } of drift) {
    const tenant = tenants().find(({ name }) => name === check.tenant);
    if (!tenant || leftToPeople.has(check.id)) continue;
    const isMended = await putRight(parts, tenant, check.id, sandbox).catch((error: unknown) => {
      machine.log.error({ tenant: tenant.name, check: check.id, error: messageOf(error) }, 'it could not be put right');
      return true;
    });
    if (!isMended && sandbox?.verified) toReplace.add(sandbox);
  }
  for (const sandbox of toReplace) replace(machine, tenants(), sandbox);
}

/** False for what only a new sandbox puts right. */
async function putRight({ machine, egress }: MendingParts, tenant: Tenant, id: string, sandbox: Sandbox | undefined): Promise<boolean> {
  if (writtenBack.has(id)) await tenant.resources.setLimits(tenant.picture.limits());
  else if (id === 'network.egress') await egress.mend(tenant.name);
  else if (id === 'resources.group' && sandbox) await putBack(machine, sandbox);
  else return false;
  return true;
}

async function putBack({ groups }: Machine, { group, reaperPid }: Sandbox): Promise<void> {
  const namespace = namespacesOf(reaperPid)?.pid;
  if (!groups || !group || namespace === undefined) return;
  const inside = (await scanProcesses()).filter((process) => process.pidNamespace === namespace);
  for (const { pid } of inside) {
    const isAstray = groups.astrayIn(group.tenant, group.member, controlGroupLinesOf(pid)).length > 0;
    // It may have ended meanwhile, and its pid be another's: that one is looked at again right before.
    if (isAstray && namespacesOf(pid)?.pid === namespace) groups.putBack(group.tenant, group.member, pid);
  }
}

function replace({ log }: Machine, tenants: readonly Tenant[], sandbox: Sandbox): void {
  const { tenant: name, role, app, subject } = ownerOf(sandbox);
  const tenant = tenants.find((candidate) => candidate.name === name);
  if (!tenant) return;
  log.warn({ tenant: name, subject }, 'it is replaced, since it is no longer as promised');
  const onError = (error: unknown): void => log.error({ tenant: name, subject, error: messageOf(error) }, 'it could not be replaced');
  if (role === 'worker' && app !== undefined) tenant.replaceWorkers(app);
  else if (role === 'host') tenant.host.stop().catch(onError);
  else sandbox.stop(0).catch(onError);
}
