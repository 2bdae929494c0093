import type { Command } from 'commander';
import type { SetExitCode, Surroundings } from './program.ts';
import { registerBackup } from './backup-command.ts';
import { registerClone } from './clone-command.ts';
import { registerRestore } from './restore-command.ts';
import { registerTenantCreate } from './tenant-create-command.ts';
import { registerTenantList } from './tenant-list-command.ts';
import { registerTenantMarks } from './tenant-mark-commands.ts';
import { registerTenantRemove } from './tenant-remove-command.ts';

/** What belongs to `tenantctl tenant` registers itself here. */
export function registerTenant(program: Command, surroundings: Surroundings, _setExitCode: SetExitCode): void {
  const tenant = program.command('tenant').description('create, list, suspend, resume and remove tenants');
  registerTenantCreate(tenant, surroundings);
  registerTenantList(tenant, surroundings);
  registerTenantMarks(tenant, surroundings);
  registerTenantRemove(tenant, surroundings);
  registerBackup(tenant, surroundings);
  registerRestore(tenant, surroundings);
  registerClone(tenant, surroundings);
}
