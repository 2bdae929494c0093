import type { AppTarget } from './app-target.ts';
import type { Caller } from './gateways.ts';

/** A connection of an app that calls other tenants'. */
export interface OpenCall {
  readonly caller: Caller | undefined;
  /** Which app it called last. */
  readonly called: AppTarget | undefined;
  destroy(): void;
}

/** Grants were taken back: what goes on over one of those is over, a WebSocket too. What others are granted goes on. */
export function endCalls(calls: ReadonlySet<OpenCall>, isGranted: (caller: Caller, called: AppTarget) => boolean): void {
  for (const call of calls) if (call.caller && call.called && !isGranted(call.caller, call.called)) call.destroy();
}
