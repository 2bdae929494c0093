import { TenantdError } from '../base/errors.ts';
import { isPublicAddress } from '../base/public-address.ts';
import type { OpenAddress } from '../privileged/egress-rules.ts';
import type { OpenAddresses } from '../protocol/resolver.ts';
import { type EgressList, portsOf } from './egress-list.ts';

/** A client that was told so may come a while after that. */
const graceSeconds = 60;

/** What is to be opened, by the tenant's list as it is now; throws TENANTD_E_DENIED for what none of it may be told. */
export function addressesToOpen(known: { list: EgressList; hasIpv6: boolean } | undefined, request: OpenAddresses): OpenAddress[] {
  const { tenant, name, addresses } = request;
  if (known?.list.anyPublic) return [];
  const ports = known ? portsOf(known.list, name) : [];
  if (!known || ports.length === 0) throw denied(`${tenant} may not reach ${name}`, 'list it in tenant.yaml');
  const other = addresses.find(({ address }) => !isPublicAddress(address));
  if (other) throw denied(`${name} has the address ${other.address}, which is not public`, 'list it as a block');
  return addresses
    .filter(({ address }) => known.hasIpv6 || !address.includes(':'))
    .flatMap(({ address, ttlSeconds }) => ports.map((port) => ({ address, port, seconds: ttlSeconds + graceSeconds })));
}

function denied(message: string, fix: string): TenantdError {
  return new TenantdError('TENANTD_E_DENIED', message, fix);
}
