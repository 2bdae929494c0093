import type { TenantName } from '../base/ids.ts';
import type { NetworkStatus } from '../protocol/control.ts';
import type { Egress } from './egress.ts';
import type { ResolverLink } from './resolver-link.ts';

/** As the kernel and the resolver counted. */
export function networkStatus(
  { egress, resolver }: { egress: Egress; resolver: ResolverLink },
  tenant: TenantName,
): NetworkStatus | undefined {
  const use = egress.useOf(tenant);
  const counted = resolver.countersOf(tenant);
  if (!use) return undefined;
  if (!counted) return { ...use };
  const { tenant: _, ...lookups } = counted;
  return { ...use, lookups };
}
