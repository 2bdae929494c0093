import { type Document, parseDocument } from 'yaml';
import type { TenantDomain } from './tenant-schema.ts';

/** How a tenant.yaml differs when its tenant is restored in another place, or is a clone. */
export interface RestoredChange {
  /** In place of those that it has. */
  domains?: readonly TenantDomain[];
  plan?: string;
  /** What the tenant let others use, and its own certificate, are left behind; its schedules are paused. */
  isClone: boolean;
}

/** The text must be one that `parseTenantConfig` takes; comments are kept. */
export function changeRestored(text: string, { domains, plan, isClone }: RestoredChange): string {
  if (!domains && plan === undefined && !isClone) return text;
  const document: Document = parseDocument(text, { schema: 'core', resolveKnownTags: false, stringKeys: true, merge: false });
  if (domains) document.set('domains', document.createNode(domains.map(toEntry)));
  if (plan !== undefined) document.set('plan', plan);
  const left = isClone ? [['grants'], ['tls', 'certificate'], ['tls', 'key']] : [];
  if (isClone) document.set('schedules', 'paused');
  for (const path of left) if (document.hasIn(path)) document.deleteIn(path);
  return document.toString({ lineWidth: 0 });
}

function toEntry({ name, insteadOf }: TenantDomain): string | TenantDomain {
  return insteadOf === undefined ? name : { name, insteadOf };
}

/**
 * `NEW`, or `OLD=NEW`, in place of what a tenant had: so its apps' routes, which name the old ones, are for the new. Without `OLD=` the first
 * is for the first that served, and so on.
 */
export function pairDomains(given: readonly string[], had: readonly TenantDomain[]): TenantDomain[] {
  const named = given.map((text) => {
    const at = text.indexOf('=');
    return at === -1 ? { name: text } : { name: text.slice(at + 1), insteadOf: text.slice(0, at) };
  });
  const taken = new Set(named.map(({ insteadOf }) => insteadOf));
  const left = had.filter(({ name, redirectTo }) => redirectTo === undefined && !taken.has(name)).map(({ name }) => name);
  return named.map((domain) => {
    const insteadOf = domain.insteadOf ?? left.shift();
    return insteadOf === undefined || insteadOf === domain.name ? { name: domain.name } : { name: domain.name, insteadOf };
  });
}
