/** Domains, and their certificates: between `tenantctl` and the daemon. */
import { z } from 'zod';
import type { Problem } from '../base/problem.ts';
import { name } from './call-values.ts';
import type { LocalCaInfo, NameCheck, NameStatus } from './certs.ts';

/** Checked by the daemon as tenant.yaml's domains are; any spelling that is allowed there. */
const domain = z.string().min(1).max(1_024);
const domainChange = z.strictObject({
  tenant: name,
  names: z.array(domain).min(1).max(1_000),
  /** Says what would be done, and does nothing. */
  dryRun: z.boolean().optional(),
});

export const certificateCalls = {
  /** Result: CertListResult. In order of name; with `next`, ask again with `after: next`. */
  'cert-list': z.strictObject({ tenant: name.optional(), after: domain.optional() }),
  /** Result: CertRenewResult. Names that fail or are set aside; with `force`, those that are fine too. Without `name`: all of the tenant. */
  'cert-renew': z.strictObject({ tenant: name, name: domain.optional(), force: z.boolean() }),
  /** Result: CertCaResult. */
  'cert-ca': z.strictObject({}),
  /** Result: DomainListResult. */
  'domain-list': z.strictObject({ tenant: name.optional() }),
  /** Result: DomainCheckResult. Looks the name up now, which takes up to some ten seconds; `tenant`, when given, must have it. */
  'domain-check': z.strictObject({ tenant: name.optional(), name: domain }),
  /** Result: DomainChangeResult. Writes tenant.yaml, comments kept; all names or none. Answered when it has been carried out. */
  'domain-add': domainChange,
  /** As `domain-add`. */
  'domain-remove': domainChange,
};

export interface CertListResult {
  names: NameStatus[];
  next?: string;
}

export interface CertRenewResult {
  /** That are tried now. */
  names: string[];
}

export interface CertCaResult extends LocalCaInfo {
  /** Where its certificate is on the machine of the daemon, as PEM. */
  file: string;
}

export interface DomainStatus {
  tenant: string;
  name: string;
  redirectTo?: string;
  /**
   * `own`: a certificate of the tenant's own files covers it. `managed`: `status` says how it stands. `unknown`: as `managed`, but there is
   * no word of it yet. `none`: no https is configured.
   */
  certificate: 'own' | 'managed' | 'unknown' | 'none';
  status?: NameStatus;
}

export interface DomainListResult {
  domains: DomainStatus[];
}

export interface DomainCheckResult {
  check: NameCheck;
  /** Absent: no tenant has it. */
  domain?: DomainStatus;
}

export interface DomainChangeResult {
  /** As they are, or would be, in tenant.yaml: lower case, punycode. */
  changed: string[];
  /** Were added, or removed, before. */
  unchanged: string[];
  /** Of the tenant, afterwards: a domain that another tenant had first, say. With `dryRun`: what would be wrong. */
  problems: Problem[];
}
