import { TenantdError } from '../base/errors.ts';
import { parseDomainName } from '../config/domain-name.ts';
import type { TenantDomain } from '../config/tenant-schema.ts';
import type { DomainStatus } from '../protocol/certificate-calls.ts';
import type { Audited } from './audited.ts';
import type { CertsLink } from './certs-link.ts';
import type { ControlOperations } from './control-server.ts';
import { publishLocalCa } from './local-ca-copy.ts';
import type { Tenant } from './tenant.ts';

export interface CertificateOperationParts {
  certs: CertsLink | undefined;
  audited: Audited;
  /** Throws when there is none. */
  tenantOf: (name: string) => Tenant;
  tenants: () => Tenant[];
  localCaFile: string;
}

type CertificateOperations = Pick<ControlOperations, 'cert-list' | 'cert-renew' | 'cert-ca' | 'domain-list' | 'domain-check'>;

/** What can be asked about certificates; `certs` knows the answers. */
export function createCertificateOperations(parts: CertificateOperationParts): CertificateOperations {
  const { audited, tenantOf } = parts;

  function certs(): CertsLink {
    if (parts.certs) return parts.certs;
    throw new TenantdError(
      'TENANTD_E_NO_HTTPS',
      'there are no certificates: https is not configured',
      'add `https` to tenantd.yaml, and restart',
    );
  }

  function domainsOf(tenant: Tenant): DomainStatus[] {
    return (tenant.picture.desired()?.domains ?? []).map((domain) => domainStatus(tenant, domain, parts.certs));
  }

  return {
    'cert-list'({ tenant, after }) {
      if (tenant !== undefined) tenantOf(tenant);
      return certs().request('list', {
        ...(tenant !== undefined && { tenant: tenantOf(tenant).name }),
        ...(after !== undefined && { after }),
      });
    },

    'cert-renew'({ tenant: tenantName, name, force }, { actor }) {
      const tenant = tenantOf(tenantName);
      const asked = name === undefined ? undefined : domainOf(name);
      if (asked !== undefined) assertManaged(tenant, asked, domainsOf(tenant));
      const look = (): unknown => ({ name: asked ?? '', force });
      return audited({ tenant: tenant.name, action: 'cert-renew', actor, look }, () =>
        certs().request('renew', { tenant: tenant.name, force, ...(asked !== undefined && { name: asked }) }),
      );
    },

    'cert-ca': async () => ({ ...(await publishLocalCa(certs(), parts.localCaFile)), file: parts.localCaFile }),

    'domain-list'({ tenant }) {
      const shown = tenant === undefined ? parts.tenants() : [tenantOf(tenant)];
      return { domains: shown.flatMap(domainsOf).sort((a, b) => (a.name < b.name ? -1 : 1)) };
    },

    async 'domain-check'({ tenant, name }) {
      const asked = domainOf(name);
      const candidates = tenant === undefined ? parts.tenants() : [tenantOf(tenant)];
      const find = (): DomainStatus | undefined => candidates.flatMap(domainsOf).find((domain) => domain.name === asked);
      if (tenant !== undefined && !find()) throw noSuchDomain(tenant, asked);
      const check = await certs().request('check-name', { name: asked });
      const domain = find();
      return { check, ...(domain && { domain }) };
    },
  };
}

function domainStatus({ name: tenant }: Tenant, { name, redirectTo }: TenantDomain, certs: CertsLink | undefined): DomainStatus {
  const status = certs?.statusOf(tenant, name);
  return {
    ...{ tenant, name, certificate: certificateOf() },
    ...(redirectTo !== undefined && { redirectTo }),
    ...(status && { status }),
  };

  function certificateOf(): DomainStatus['certificate'] {
    if (!certs) return 'none';
    if (!certs.manages(tenant, name)) return 'own';
    return status ? 'managed' : 'unknown';
  }
}

function assertManaged(tenant: Tenant, name: string, domains: readonly DomainStatus[]): void {
  const domain = domains.find((other) => other.name === name);
  if (!domain) throw noSuchDomain(tenant.name, name);
  if (domain.certificate !== 'own') return;
  const message = `the certificate of ${name} is the tenant's own file`;
  throw new TenantdError('TENANTD_E_CERTIFICATE', message, 'replace the files that `tls` of its tenant.yaml names; they are read at once');
}

/** In the form that names are compared in. */
function domainOf(text: string): string {
  const parsed = parseDomainName(text);
  if ('value' in parsed) return parsed.value;
  throw new TenantdError('TENANTD_E_BAD_DOMAIN', `the domain ${parsed.fault.message}`, parsed.fault.fix);
}

function noSuchDomain(tenant: string, name: string): TenantdError {
  return new TenantdError('TENANTD_E_NO_SUCH_DOMAIN', `${tenant} has no domain ${name}`, `see tenantctl domain list ${tenant}`);
}
