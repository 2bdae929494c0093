import type { ControlGroups } from './cgroups.ts';

/** Hears of each group that is to be removed while what the kernel counted of it can still be read, and again when it is gone. */
export interface GroupListener {
  ending(tenant: string, member?: string): void;
  ended(tenant: string, member?: string): void;
}

/** Control groups of which somebody may want to know the end. */
export interface WatchedGroups extends ControlGroups {
  onEnd(listener: GroupListener): void;
}

export function watchGroups(groups: ControlGroups): WatchedGroups {
  const listeners: GroupListener[] = [];

  async function telling(remove: () => Promise<void>, ...group: [tenant: string, member?: string]): Promise<void> {
    for (const listener of listeners) listener.ending(...group);
    await remove();
    for (const listener of listeners) listener.ended(...group);
  }

  return {
    ...groups,
    removeMember: (tenant, member) => telling(() => groups.removeMember(tenant, member), tenant, member),
    removeTenant: (tenant) => telling(() => groups.removeTenant(tenant), tenant),
    onEnd: (listener) => void listeners.push(listener),
  };
}
