import { setTimeout as delay } from 'node:timers/promises';
import type { TenantName } from '../base/ids.ts';
import type { Egress } from './egress.ts';
import { type ResolverLink, resolverRole } from './resolver-link.ts';
import type { Sandbox } from './sandbox-registry.ts';

/** A tenant whose steps come to nothing keeps the others' names waiting no longer. */
const takeUpTimeLimitMs = 5_000;

export async function takeUpResolver(resolver: ResolverLink, sandboxes: readonly Sandbox[]): Promise<void> {
  const [first, ...rest] = sandboxes.filter(({ role }) => resolverRole.safeParse(role).success);
  await Promise.all(rest.map((sandbox) => sandbox.stop(0)));
  if (first) await resolver.adopt(first);
}

/** Once it is known who is wanted. The resolver forgets whom it was not told of by then. */
export async function releaseEgress(egress: Egress, resolver: ResolverLink, isKnown: (tenant: TenantName) => boolean): Promise<void> {
  await egress.sweep(isKnown);
  await Promise.race([egress.takenUp, delay(takeUpTimeLimitMs, undefined, { ref: false })]);
  await resolver.release();
}
