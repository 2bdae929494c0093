import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { AppTarget } from '../../../src/edge/app-target.ts';
import { AppUses } from '../../../src/edge/app-uses.ts';
import { TenantState } from '../../../src/edge/tenant-state.ts';
import type { AppRouteState } from '../../../src/protocol/edge.ts';
import { generousLimits } from '../../support/generous-limits.ts';

const tls = { redirect: true, hstsSeconds: 0 };
const state = new TenantState({ tenant: 'acme' as TenantName, hosts: [], apps: [], limits: generousLimits, tls }, 1, 0);

/** An app of the tenant `acme` as an edge has it. */
export function appTarget(app: string, uses = new AppUses()): AppTarget {
  return new AppTarget(state, app as AppName, uses);
}

export function setState(target: AppTarget, state: AppRouteState): void {
  target.change({ state, release: 'local', compress: false }, []);
}
