import type { FaultsResult } from '../protocol/fault-calls.ts';
import type { ControlOperations } from './control-server.ts';
import type { FaultBook } from './fault-book.ts';
import type { Tenant } from './tenant.ts';

export function createFaultOperations(parts: {
  faults: Pick<FaultBook, 'list'>;
  tenantOf: (name: string) => Tenant;
}): Pick<ControlOperations, 'faults'> {
  return {
    faults: ({ tenant, sinceMs = 0, most }): FaultsResult => ({
      faults: parts.faults.list(tenant === undefined ? undefined : parts.tenantOf(tenant).name, sinceMs, most),
    }),
  };
}
