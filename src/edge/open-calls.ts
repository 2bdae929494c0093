import type { TenantState } from './tenant-state.ts';

/** A connection of an app that calls other tenants'. */
export interface OpenCall {
  /** Whom it called last. */
  readonly calledTenant: TenantState | undefined;
  destroy(): void;
}

/** A grant was taken back: what goes on over it is over, a WebSocket too. Whoever still has one calls again. */
export function endCalls(calls: ReadonlySet<OpenCall>, tenant: TenantState): void {
  for (const call of calls) if (call.calledTenant === tenant) call.destroy();
}
