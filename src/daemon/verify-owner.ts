import { type AppName, isAppName, isTenantName, type TenantName } from '../base/ids.ts';
import { tenantOfGroup } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';

/** Whose a sandbox is, and what it is called, by the role that it was recorded with. */
export interface Owner {
  /** '' for a part of tenantd itself. */
  tenant: TenantName | '';
  role: string;
  app: AppName | undefined;
  /** `worker site.x3k9ab`, `host`. */
  subject: string;
}

export function ownerOf(sandbox: Pick<Sandbox, 'id' | 'role' | 'group'>): Owner {
  const { role: given } = sandbox;
  const words = typeof given === 'object' && given !== null ? (given as Record<string, unknown>) : {};
  const word = (name: string): string => (typeof words[name] === 'string' ? words[name] : '');
  const tenant = word('tenant') || tenantOfGroup(sandbox.group?.tenant ?? '');
  const role = word('role');
  return {
    tenant: isTenantName(tenant) ? tenant : '',
    role,
    app: isAppName(word('app')) ? (word('app') as AppName) : undefined,
    subject: subjectOf(role, word('workerId'), sandbox.id),
  };
}

/** There is one of each of these. */
const alone = new Set(['host', 'edge', 'certs', 'metrics', 'resolver']);

function subjectOf(role: string, workerId: string, id: string): string {
  if (alone.has(role)) return role;
  return role === 'worker' ? `worker ${workerId}` : `${role || 'sandbox'} ${id}`;
}
