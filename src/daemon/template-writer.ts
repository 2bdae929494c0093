import type { TenantName } from '../base/ids.ts';

/** What a template is filled in with. */
export interface TemplateVariables {
  tenant: TenantName;
  /** In the form of `parseDomainName`; the first is the tenant's main one. */
  domains: readonly string[];
  /** Undefined: as the template says, else the default one. */
  plan: string | undefined;
  /** As the operator gave them. */
  set: Readonly<Record<string, string>>;
}

/** Makes a tenant's files from a template, which is the operator's: `tenant create` calls it. */
export interface TemplateWriter {
  /** Throws a TenantdError when there is no such template, or the variables do not fit; writes nothing. */
  check(template: string, variables: TemplateVariables): Promise<void> | void;
  /**
   * Writes all into `folder`, which is there, empty, root's own and nobody's yet: tenant.yaml, which may be left out, `apps/` and what is
   * beside. Everything written is root's and synced when this settles; the folder itself is synced, and removed after a failure, by the caller.
   */
  write(template: string, variables: TemplateVariables, folder: string): Promise<void>;
}
